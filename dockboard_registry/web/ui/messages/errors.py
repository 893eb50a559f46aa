"""The pages that say what went wrong."""

MESSAGES = {
    "error.400": ("The request can't be understood", "无法理解该请求"),
    "error.403": ("You may not do this", "您无权执行此操作"),
    "error.404": ("There is nothing here, or you may not see it", "这里没有内容，或您无权查看"),
    "error.404.same": (
        "Both answers look the same, so that nobody finds out names that are none of their business.",
        "两种情况的回答完全相同，因此无人能借此探知与其无关的名称。",
    ),
    "error.405": ("This page can't be used that way", "此页面不支持这种请求方式"),
    "error.409": ("Something changed meanwhile", "期间内容已被更改"),
    "error.413": ("That is too much at once", "一次提交的内容过大"),
    "error.422": ("Something has to be put right", "有内容需要更正"),
    "error.429": ("Too many requests", "请求过于频繁"),
    "error.500": ("The registry failed to answer", "本站未能作出回答"),
    "error.503": ("The registry can't answer now", "本站暂时无法回答"),
    "error.507": ("The registry has no room left", "本站已无剩余空间"),
    "error.asked": ("You asked for {path}.", "您请求的是 {path}。"),
    "error.asked.out": ("You asked for {path} and are not signed in.", "您请求的是 {path}，且尚未登录。"),
    "error.request": ("Request {id}", "请求编号 {id}"),
    "error.all": ("All that you may see", "您可以查看的全部内容"),
    "error.unchanged": ("Nothing was changed.", "没有任何更改。"),
    "error.nothing": ("Nothing was saved", "未保存任何内容"),
}
