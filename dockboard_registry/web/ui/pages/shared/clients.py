"""What people paste to log in with each client. docs/clients.md has more."""

# Without TLS clients have to be told so.
_DOCKER_PLAIN = '{{ "insecure-registries": ["{host}"] }}'
_CONTAINERD = 'server = "{scheme}://{host}"\n\n[host."{scheme}://{host}"]\n  capabilities = ["pull", "resolve", "push"]'
_GITHUB = (
    "- uses: docker/login-action@v3\n  with:\n    registry: {host}\n    username: {name}\n"
    "    password: ${{{{ secrets.REGISTRY_SECRET }}}}"
)
_GITLAB = 'echo "$REGISTRY_SECRET" | docker login --username {name} --password-stdin {host}'
_KUBERNETES = (
    "kubectl create secret docker-registry registry --docker-server={host} --docker-username={name}"
    ' --docker-password="$(cat {file})"'
)
_LOGINS = (
    ("docker", "docker login --username {name} --password-stdin {host} < {file}"),
    ("podman", "podman login{tls} --username {name} --password-stdin {host} < {file}"),
    ("helm", "helm registry login{plain} --username {name} --password-stdin {host} < {file}"),
    ("Kubernetes", _KUBERNETES),
    ("GitHub", _GITHUB),
    ("GitLab", _GITLAB),
    ("containerd", _CONTAINERD),
)
_MORE = (
    ("skopeo", "skopeo login{tls} --username {name} --password-stdin {host} < {file}"),
    ("buildah", "buildah login{tls} --username {name} --password-stdin {host} < {file}"),
    ("oras", "oras login{oras} --username {name} --password-stdin {host} < {file}"),
    ("crane", "crane auth login{crane} --username {name} --password-stdin {host} < {file}"),
)


def logins(host: str, name: str, secure: bool, file: str = "registry.secret") -> list[tuple[str, str]]:
    """(client, text to paste) for the clients that most people use: at most seven.

    host: of the registry as clients write it. name: to log in as. file: which has the secret.
    """
    return _filled(_LOGINS, host, name, secure, file)


def all_logins(host: str, name: str, secure: bool, file: str = "registry.secret") -> list[tuple[str, str]]:
    """The same for all clients."""
    return _filled(_LOGINS + _MORE, host, name, secure, file)


def insecure_docker(host: str) -> str:
    """What /etc/docker/daemon.json needs for a registry without TLS."""
    return _DOCKER_PLAIN.format(host=host)


def _filled(texts: tuple[tuple[str, str], ...], host: str, name: str, secure: bool, file: str) -> list[tuple[str, str]]:
    flags = {
        "tls": "" if secure else " --tls-verify=false",
        "plain": "" if secure else " --plain-http",
        "oras": "" if secure else " --plain-http",
        "crane": "" if secure else " --insecure",
        "scheme": "https" if secure else "http",
    }
    return [(client, text.format(host=host, name=name, file=file, **flags)) for client, text in texts]
