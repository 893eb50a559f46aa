"""How accounts prove who they are."""
