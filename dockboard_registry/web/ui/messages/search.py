"""The page of the search."""

MESSAGES = {
    "search.title": ("Search", "搜索"),
    "search.all": ("Show all in the list of repositories", "在仓库列表中显示全部"),
    "search.more": ("There are more: type more of it.", "还有更多结果：请输入更多字符。"),
    "search.tags": ("Tags", "标签"),
    "search.tags.where": (
        "Looked for in the repositories that were pushed last.",
        "仅在最近推送的仓库中查找。",
    ),
    "search.digests": ("Digests", "摘要"),
    "search.namespaces": ("People and organizations", "用户和组织"),
    "search.kind.user": ("user", "用户"),
    "search.kind.organization": ("organization", "组织"),
    "search.kind.system": ("of the registry itself", "本站所有"),
    "search.nothing": ("Nothing that you may see fits", "没有您可以查看的结果"),
    "search.nearest": ("Did you mean:", "您是否要找："),
    "search.words": (
        "Type part of a name, the beginning of a tag, 12 figures of a digest or more, or a whole reference. These"
        " words narrow the search:",
        "可输入名称的一部分、标签开头、摘要的至少 12 位，或完整引用。以下词可缩小范围：",
    ),
}
