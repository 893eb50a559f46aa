"""The pages for finding repositories."""

MESSAGES = {
    "explore.title": ("Repositories", "仓库"),
    "explore.none": ("No repository that you may see", "没有您可以查看的仓库"),
    "explore.push": ("Push an image, and it is here:", "推送一个镜像后，它会出现在这里："),
}
