"""The rows of a repository and of a user in the tables of this folder, for whoever deletes one."""

# How some rows of a repository are found, and how one of them is deleted.
OF_A_REPOSITORY = (
    (
        "SELECT user_id FROM stars WHERE repository_id = ? LIMIT ?",
        "DELETE FROM stars WHERE repository_id = ? AND user_id = ?",
    ),
    (
        "SELECT id FROM comments WHERE repository_id = ? LIMIT ?",
        "DELETE FROM comments WHERE repository_id = ? AND id = ?",
    ),
    (
        "SELECT repository_id FROM readmes WHERE repository_id = ? LIMIT ?",
        "DELETE FROM readmes WHERE repository_id = ? AND repository_id = ?",
    ),
    (
        "SELECT category FROM repository_categories WHERE repository_id = ? LIMIT ?",
        "DELETE FROM repository_categories WHERE repository_id = ? AND category = ?",
    ),
)
# What is done when a user goes. Comments stay, without a name.
OF_A_USER = (
    "UPDATE repositories SET stars = stars - 1 WHERE id IN (SELECT repository_id FROM stars WHERE user_id = ?)",
    "UPDATE repository_facts SET stars = stars - 1 WHERE repository_id IN"
    " (SELECT repository_id FROM stars WHERE user_id = ?)",
    "DELETE FROM stars WHERE user_id = ?",
)
