"""The page that shows what experiments gave, in one file that needs no network, and the gallery of the documentation."""

from regmdp.report.chapters import Chapter
from regmdp.report.gallery import gallery
from regmdp.report.page import page

__all__ = ["Chapter", "gallery", "page"]
