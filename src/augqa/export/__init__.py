"""What others take: kept pairs as a data set, readers as models, each with its card."""

from augqa.export.folder import Exported, export

__all__ = ["Exported", "export"]
