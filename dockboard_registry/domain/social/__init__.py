"""What people add to repositories: stars, comments, READMEs, categories and deprecation notices.

Everything here is stored under the id of the repository, and goes with it.
"""
