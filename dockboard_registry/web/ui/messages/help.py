"""Help: clients, keyboard, words."""

MESSAGES = {
    "help.title": ("Help", "帮助"),
    "help.login": ("Log in with a client", "用客户端登录"),
    "help.login.what": (
        "The password may be your own one, or an access token, which you can limit and revoke. The commands read it"
        " from the file registry.secret.",
        "密码可以是您自己的密码，也可以是可限制、可撤销的访问令牌。下面的命令从文件 registry.secret 读取密码。",
    ),
    "help.login.token": ("Make an access token", "创建访问令牌"),
    "help.client": ("Client", "客户端"),
    "help.insecure": (
        "This registry is reached without TLS here. docker takes that only if its settings name the registry:",
        "此处访问本站未使用 TLS。docker 需要在设置中写明本站：",
    ),
    "help.others": ("Other clients", "其他客户端"),
    "help.push": ("Push and pull", "推送和拉取"),
    "help.push.what": (
        "A repository is made by its first push. Its name begins with your own name, or that of an organization.",
        "首次推送会创建仓库。仓库名以您的账号名或组织名开头。",
    ),
    "help.keys": ("Keyboard", "键盘"),
    "help.key.search": ("go to the search box", "跳到搜索框"),
    "help.key.close": ("close an open menu", "关闭打开的菜单"),
    "help.key.next": (
        "the next link or field; the first one skips to the content",
        "下一个链接或字段；第一个可跳到正文",
    ),
    "help.words": ("What words mean", "词语说明"),
    "help.word.repository": ("repository", "仓库"),
    "help.word.repository.what": (
        "a name below which images are kept, such as acme/app",
        "保存镜像的名称，例如 acme/app",
    ),
    "help.word.tag": ("tag", "标签"),
    "help.word.tag.what": (
        "a name in a repository that points to an image and may move",
        "仓库中指向某个镜像的名称，可以移动",
    ),
    "help.word.digest": ("digest", "摘要"),
    "help.word.digest.what": ("the checksum that names content for ever: sha256:…", "永久标识内容的校验和：sha256:…"),
    "help.word.manifest": ("manifest", "清单"),
    "help.word.manifest.what": ("the document that says what an image is made of", "说明镜像由什么组成的文档"),
    "help.word.index": ("index", "索引"),
    "help.word.index.what": ("a manifest that names one image for each platform", "为每个平台列出一个镜像的清单"),
    "help.word.layer": ("layer", "层"),
    "help.word.layer.what": ("an archive of files; an image is a stack of them", "文件归档；镜像由若干层叠成"),
    "help.word.own": ("own, shared", "独占、共享"),
    "help.word.own.what": (
        "bytes that only this has, and bytes that others have too. Deleting frees only own ones.",
        "独占字节仅此处使用，共享字节他处也用。删除只释放独占字节。",
    ),
    "help.word.pull": ("pulls", "拉取次数"),
    "help.word.pull.what": (
        "how often a manifest was fetched by clients; pages and checks do not count",
        "客户端获取清单的次数；页面访问和检查不计",
    ),
    "help.word.token": ("access token", "访问令牌"),
    "help.word.token.what": (
        "a secret for programs in place of your password, perhaps for some repositories or actions alone",
        "供程序代替密码使用的密钥，可只限部分仓库或操作",
    ),
    "help.word.robot": ("robot account", "机器人账号"),
    "help.word.robot.what": ("an account of an organization for a program", "组织中供程序使用的账号"),
    "help.word.grant": ("grant", "授权"),
    "help.word.grant.what": (
        "a right on repositories for a user, a team or a robot account",
        "授予用户、团队或机器人账号的仓库权限",
    ),
}
