"""The settings of a repository."""

MESSAGES = {
    "repository.settings.title": ("{name}: settings", "{name}：设置"),
    "repository.settings.about": ("What it is", "简介"),
    "repository.settings.description": ("Description", "描述"),
    "repository.settings.description.hint": (
        "The first line is shown in lists. At most 4,000 characters.",
        "第一行会显示在列表中。最多 4,000 个字符。",
    ),
    "repository.settings.categories": ("Categories", "分类"),
    "repository.settings.categories.hint": (
        "At most 5 short names with spaces between them, such as: databases web",
        "最多 5 个简短的名称，以空格分隔，例如：databases web",
    ),
    "repository.settings.notice": ("Notice that it is deprecated", "弃用说明"),
    "repository.settings.notice.hint": (
        "Why, and what to do. It is shown on all its pages. Leave it empty if the repository is not deprecated.",
        "说明原因和应对办法，会显示在仓库的所有页面上。未弃用则留空。",
    ),
    "repository.settings.replacement": ("Repository to use in its place", "替代仓库"),
    "repository.settings.replacement.hint": ("Such as acme/app-2. It may be empty.", "例如 acme/app-2，可留空。"),
    "repository.settings.readme": ("README", "README"),
    "repository.settings.readme.what": (
        "The text on the repository’s page, in Markdown.",
        "仓库页面上的 Markdown 文本。",
    ),
    "repository.settings.readme.edit": ("Edit the README", "编辑 README"),
    "repository.settings.saved": ("Saved.", "已保存。"),
    "repository.settings.visibility": ("Who may pull", "谁可以拉取"),
    "repository.settings.public": (
        "public: all users, and everybody if this registry lets them pull without an account",
        "公开：所有用户；若本站允许匿名拉取，则任何人",
    ),
    "repository.settings.private": (
        "private: members of the namespace, and who was given a right",
        "私有：命名空间的成员和获得授权者",
    ),
    "repository.settings.visibility.change": ("Change…", "更改…"),
    "repository.settings.visibility.which": ("Choose public or private.", "请选择公开或私有。"),
    "repository.settings.to.public.title": ("Make {name} public?", "将 {name} 设为公开？"),
    "repository.settings.to.public.goes": (
        "All users of this registry get to see the repository and may pull from it. Without an account one may do so"
        " where the registry lets everybody pull.",
        "本站所有用户都能看到并拉取此仓库；若本站允许匿名拉取，则任何人都可以。",
    ),
    "repository.settings.to.public.stays": (
        "Who may push, delete and change settings stays as it is.",
        "推送、删除和更改设置的权限保持不变。",
    ),
    "repository.settings.to.public.do": ("Make it public", "设为公开"),
    "repository.settings.to.private.title": ("Make {name} private?", "将 {name} 设为私有？"),
    "repository.settings.to.private.goes": (
        "Only members of the namespace and those who were given a right see it from now on. For all others it looks as"
        " if it did not exist.",
        "此后仅命名空间的成员和获得授权者能看到它；对其他人而言它如同不存在。",
    ),
    "repository.settings.to.private.stays": (
        "What others have pulled already stays with them. Their stars and comments stay.",
        "他人已拉取的内容仍归他们所有。其收藏和评论会保留。",
    ),
    "repository.settings.to.private.do": ("Make it private", "设为私有"),
    "repository.settings.danger": ("Danger zone", "危险操作"),
    "repository.settings.delete": ("Delete the repository", "删除仓库"),
    "repository.settings.delete.what": (
        "With all tags, images, stars and comments. This has no way back.",
        "连同所有标签、镜像、收藏和评论。此操作无法撤销。",
    ),
    "repository.settings.delete.ask": ("Delete…", "删除…"),
    "repository.settings.delete.title": ("Delete the repository {name}?", "删除仓库 {name}？"),
    "repository.settings.delete.do": ("Delete the repository {name}", "删除仓库 {name}"),
    "repository.settings.goes.tags": ("{n} tag goes.|{n} tags go.", "{n} 个标签将被删除。"),
    "repository.settings.goes.manifests": ("{n} image goes.|{n} images go.", "{n} 个镜像将被删除。"),
    "repository.settings.goes.added": (
        "The README, the settings, {stars} stars and {comments} comments go.",
        "README、设置、{stars} 个收藏和 {comments} 条评论将被删除。",
    ),
    "repository.settings.stays.shared": (
        "Layers that other repositories have as well stay there.",
        "其他仓库共有的层会保留。",
    ),
    "repository.settings.stays.rights": (
        "Rights that were given on this name stay, and count for a repository that is pushed to it later.",
        "针对此名称的授权会保留，并对日后推送到此名称的仓库生效。",
    ),
    "repository.settings.changed": (
        "Something was pushed or deleted meanwhile. Look at what goes now, and type the name again.",
        "在此期间有内容被推送或删除。请重新查看将被删除的内容，并再次输入名称。",
    ),
    "repository.settings.deleted": ("The repository {name} is deleted.", "仓库 {name} 已删除。"),
}
