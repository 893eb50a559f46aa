"""The pages on which people make accounts and set passwords."""

MESSAGES = {
    "joining.register": ("Make an account", "注册账号"),
    "joining.register.lead": ("at {host}", "在 {host} 注册"),
    "joining.have": ("I have an account", "我已有账号"),
    "joining.name.hint": (
        "Lower-case letters and digits. It is also the first part of your repositories: {host}/NAME/…",
        "小写字母和数字，同时也是您的仓库的首段：{host}/NAME/…",
    ),
    "joining.password.hint": (
        "At least 12 characters. Any characters, also a sentence.",
        "至少 12 个字符，任何字符均可，也可以是一句话。",
    ),
    "joining.email": ("E-mail address (optional)", "电子邮件地址（可不填）"),
    "joining.email.hint": (
        "If you forget the password, a mail to this address brings another one.",
        "忘记密码时，可通过此地址收到的邮件重设。",
    ),
    "joining.approval": (
        "An administrator has to approve the account before it counts.",
        "账号须经管理员批准后方可使用。",
    ),
    "joining.code": ("Code of the invitation", "邀请码"),
    "joining.code.hint": ("An administrator of this registry gives it to you.", "由本站管理员提供。"),
    "joining.code.there": ("You are invited: choose a name and a password.", "您已获得邀请：请选择用户名和密码。"),
    "joining.code.ended": (
        "The invitation is used up, has expired, or was never one. Ask for a new one.",
        "该邀请已被使用、已过期或从未存在。请索取新的邀请。",
    ),
    "joining.code.missing": ("Enter the code of your invitation.", "请输入邀请码。"),
    "joining.code.wrong": (
        "The invitation is used up, has expired, is for another address, or was never one.",
        "该邀请已被使用、已过期、属于其他地址或从未存在。",
    ),
    "joining.waits": (
        "The account {name} is made. An administrator has to approve it before you can sign in.",
        "账号 {name} 已建立。须经管理员批准后才能登录。",
    ),
    "joining.welcome": ("Welcome, {name}. You are signed in.", "欢迎，{name}。您已登录。"),
    "joining.forgot": ("Another password", "重设密码"),
    "joining.account": ("Name or e-mail address", "用户名或电子邮件地址"),
    "joining.account.hint": (
        "A mail with a link goes to the address of the account. The link counts for an hour.",
        "带有链接的邮件会发到账号的地址，链接一小时内有效。",
    ),
    "joining.send": ("Send the mail", "发送邮件"),
    "joining.sent": ("Look into your mail", "请查看邮件"),
    "joining.sent.how": (
        "If there is an account of this name or address, a mail with a link is on its way. This page says the same if"
        " there is none.",
        "若存在该名称或地址的账号，带有链接的邮件已在途中。即使没有这样的账号，此页也显示同样内容。",
    ),
    "joining.sent.token": ("I have a token that sets a password", "我有设置密码的令牌"),
    "joining.no.mail": (
        "This registry sends no mail. Ask an administrator for a token that sets a password.",
        "本站不发送邮件。请向管理员索取设置密码的令牌。",
    ),
    "joining.reset": ("Set another password", "设置新密码"),
    "joining.invited": ("Set your first password", "设置首个密码"),
    "joining.for": ("for the account {name}", "账号 {name}"),
    "joining.token": ("Token", "令牌"),
    "joining.token.hint": ("From the mail, or from an administrator.", "来自邮件或管理员。"),
    "joining.token.ended": (
        "The token is used up, has expired, or was never one.",
        "该令牌已被使用、已过期或从未存在。",
    ),
    "joining.set.password": ("Set the password", "设置密码"),
    "joining.set": (
        "The password of {name} is set. Sign in with it.",
        "{name} 的密码已设置，请用它登录。",
    ),
    "setup.title": ("Make it yours", "建立首个账号"),
    "setup.lead": (
        "The registry runs, and nobody has an account yet. Until there is one, this machine may do everything, and no"
        " other machine may do anything.",
        "本站已在运行，但还没有任何账号。在建立账号之前，只有本机可以执行一切操作，其他机器无权操作。",
    ),
    "setup.first": ("The first account", "首个账号"),
    "setup.first.hint": (
        "An administrator, who may do everything and makes the other accounts, or invites people.",
        "管理员，可执行一切操作，并可建立其他账号或邀请他人。",
    ),
    "setup.make": ("Make the account and sign in", "建立账号并登录"),
    "setup.done": (
        "Welcome, {name}. You administer this registry. From now on accounts decide who may do what.",
        "欢迎，{name}。您现在是本站管理员。从现在起由账号决定谁可以做什么。",
    ),
    "setup.no.mail": (
        "For another password if this one is forgotten. No mail server is set yet.",
        "用于忘记密码时重设。目前尚未设置邮件服务器。",
    ),
    "setup.now": ("How it is set now", "当前设置"),
    "setup.now.hint": ("by a file, the environment or a flag", "通过文件、环境变量或命令行参数设置"),
    "setup.what": ("What", "项目"),
    "setup.value": ("Now", "当前值"),
    "setup.key": ("Change it with", "修改选项"),
    "setup.reached": ("Reached at", "访问地址"),
    "setup.named": ("Name for others", "对外名称"),
    "setup.named.set": ("as configured", "按配置"),
    "setup.named.asked": ("the name that they ask for", "访问者使用的名称"),
    "setup.encryption": ("Encryption", "加密"),
    "setup.plain": ("fine on this machine alone", "仅限本机时没有问题"),
    "setup.without": ("Without an account", "没有账号时"),
    "setup.without.now": ("this machine only", "仅限本机"),
    "setup.try": ("Try it first", "先试一试"),
    "setup.try.hint": ("Pushing works already, from this machine:", "现在就可以从本机推送："),
    "setup.open": ("Leave it open", "保持开放"),
    "setup.open.hint": (
        "For a machine of your own that is fine. This page stays at /setup.",
        "若是您自己的机器，这样没有问题。此页始终位于 /setup。",
    ),
    "setup.open.go": ("Go on without accounts", "不建账号继续"),
    "banner.full": (
        "The disk of the {name} is full: pushes are refused. {look}",
        "{name}所在磁盘已满，推送被拒绝。{look}",
    ),
    "banner.nearly": (
        "The disk of the {name} is nearly full. Pushes will be refused soon. {look}",
        "{name}所在磁盘即将写满，推送很快将被拒绝。{look}",
    ),
    "banner.look": ("Look at it", "查看"),
    "banner.setup": ("Make the first account", "建立首个账号"),
    "banner.nobody": (
        "Nobody has an account yet, so this machine may do everything. {setup}",
        "还没有任何账号，因此本机可以执行一切操作。{setup}",
    ),
    "banner.plain": (
        "This connection is not encrypted (plain http). Others on the way can read passwords.",
        "此连接未加密（纯 http），途中的其他人可以读到密码。",
    ),
    "banner.given": (
        "Somebody else set your password. {change}",
        "您的密码是他人设置的。{change}",
    ),
    "banner.own": ("Choose one that only you know", "请改为只有您自己知道的密码"),
}
