"""The sentences of the pages, one module for each group of pages: id -> (English, Chinese)."""
