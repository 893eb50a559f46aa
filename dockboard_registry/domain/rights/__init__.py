"""Grants: who may do what with which repositories."""
