"""MySQL and MariaDB, on one server or a Galera cluster."""
