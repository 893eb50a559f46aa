"""The handlers of pages, one module for each group of pages. TABLES has the routes of all of them."""

from . import explore, frame, signing

TABLES = (frame.TABLE, explore.TABLE, signing.TABLE)
