"""Images as the v1 API knows them: a chain of layers, each with an id and its parent's."""
