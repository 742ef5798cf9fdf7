"""An evaluation as one HTML file that needs no other, nor any script."""

from retrieval.evaluation import report_text
from retrieval.evaluation.figures import differences_figure, latency_figure, measures_figure
from retrieval.evaluation.results import Evaluation

TEMPLATE = "report.html.jinja"
# more rows make a page slow to open
MOST_QUERIES = 2_000
RELEVANT = 10


def html_report(evaluation: Evaluation) -> str:
    """The report, with figures; every text of a user's is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("retrieval.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def relevant(key: str) -> list[str]:
        """The most relevant documents of a query."""
        grades = evaluation.judgements.relevance[key]
        ordered = sorted(grades, key=lambda document: (-grades[document], document))
        return [document for document in ordered if grades[document] > 0][:RELEVANT]

    return environment.get_template(TEMPLATE).render(
        evaluation=evaluation,
        said=report_text,
        measures=measures_figure(evaluation),
        differences=differences_figure(evaluation),
        latency=latency_figure(evaluation),
        keys=evaluation.worst(MOST_QUERIES),
        relevant=relevant,
    )
