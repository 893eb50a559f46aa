"""The domain's promises, over a real database and a real store of every driver."""
