"""The report of experiments as one HTML file, and the gallery of the documentation."""

from regmdp.reproduce.report.chapters import Chapter
from regmdp.reproduce.report.gallery import write_gallery
from regmdp.reproduce.report.page import render_page

__all__ = ["Chapter", "render_page", "write_gallery"]
