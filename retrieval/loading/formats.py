"""Which loader reads which files: to add a kind of file, add its suffixes here."""

from retrieval.loading.code import PROGRAMMING_LANGUAGES, load_code
from retrieval.loading.csv_file import load_csv
from retrieval.loading.docx import load_docx
from retrieval.loading.epub import load_epub
from retrieval.loading.html import load_html
from retrieval.loading.images import load_image_file
from retrieval.loading.json_file import load_json
from retrieval.loading.json_lines import load_json_lines
from retrieval.loading.pdf import load_pdf
from retrieval.loading.pptx import load_pptx
from retrieval.loading.source_file import Format
from retrieval.loading.text import MARKDOWN_SUFFIXES, load_markdown, load_text
from retrieval.loading.xlsx import load_xlsx

TEXT = Format("text", load_text)

IMAGE = Format("image", load_image_file)

# by the suffix in lower case
FORMATS: dict[str, Format] = {
    **dict.fromkeys((".txt", ".text", ".rst"), TEXT),
    **dict.fromkeys(MARKDOWN_SUFFIXES, Format("markdown", load_markdown)),
    **dict.fromkeys((".html", ".htm", ".xhtml"), Format("html", load_html)),
    **dict.fromkeys((".csv", ".tsv"), Format("csv", load_csv)),
    **dict.fromkeys((".jsonl", ".ndjson"), Format("json", load_json_lines)),
    ".json": Format("json", load_json),
    ".pdf": Format("pdf", load_pdf),
    ".docx": Format("docx", load_docx),
    ".pptx": Format("pptx", load_pptx),
    ".xlsx": Format("xlsx", load_xlsx),
    ".epub": Format("epub", load_epub),
    **dict.fromkeys(PROGRAMMING_LANGUAGES, Format("code", load_code)),
    **dict.fromkeys((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"), IMAGE),
}
