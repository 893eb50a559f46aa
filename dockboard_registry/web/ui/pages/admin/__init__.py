"""The pages for administrators of the registry."""
