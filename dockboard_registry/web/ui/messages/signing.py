"""The pages for coming and going, and the password again for dangerous deeds."""

MESSAGES = {
    "signing.title": ("Sign in", "登录"),
    "signing.lead": ("to {host}", "登录到 {host}"),
    "signing.name": ("Name", "用户名"),
    "signing.password": ("Password", "密码"),
    "signing.forgot": ("I forgot my password", "忘记密码"),
    "signing.register": ("Make an account", "注册账号"),
    "signing.clients": (
        "Access tokens are for docker and other clients. Here it is the password.",
        "访问令牌供 docker 等客户端使用，此处请输入密码。",
    ),
    "signing.failed": ("You are not signed in", "未登录"),
    "signing.wrong": (
        "Name and password do not go together. Ten tries in five minutes are free. After that each one costs a wait.",
        "用户名与密码不匹配。五分钟内可尝试十次，之后每次都需要等待。",
    ),
    "signing.pending": (
        "The password is right. An administrator has to approve the account first.",
        "密码正确，但账号须先由管理员批准。",
    ),
    "signing.disabled": (
        "The password is right, but the account is disabled. Ask an administrator to enable it.",
        "密码正确，但账号已被停用。请联系管理员启用。",
    ),
    "signing.name.missing": ("Enter the name of your account.", "请输入您的用户名。"),
    "signing.email": (
        "This is an e-mail address. Sign in with the name of your account.",
        "这是电子邮件地址。请使用用户名登录。",
    ),
    "signing.token": (
        "This is an access token, which is for clients. Enter the password of your account.",
        "这是供客户端使用的访问令牌。请输入账号密码。",
    ),
    "signing.out": ("You are signed out.", "您已退出登录。"),
    "signing.again": ("Your password", "您的密码"),
    "signing.again.hint": (
        "You entered it more than 15 minutes ago, and this needs it again.",
        "您上次输入密码已超过 15 分钟，此操作需要再次输入。",
    ),
    "signing.again.missing": ("Enter your password.", "请输入您的密码。"),
    "signing.again.wrong": ("This is not your password.", "密码不正确。"),
}
