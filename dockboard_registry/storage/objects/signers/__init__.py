"""Signatures of object stores, one vendor in each module. They make no requests."""
