"""From files to documents: finding them, reading their text, one module per family of formats."""

from retrieval.loading.documents import load_documents, load_file
from retrieval.loading.find import FoundFiles, find_files

__all__ = ["FoundFiles", "find_files", "load_documents", "load_file"]
