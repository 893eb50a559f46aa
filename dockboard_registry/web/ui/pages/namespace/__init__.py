"""The pages of a namespace: members, teams, robot accounts, grants and settings."""
