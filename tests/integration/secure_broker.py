"""A real Kafka that demands TLS, SASL/SCRAM and rights: only what an ACL allows is allowed.

It is that of ``broker.py`` with one listener, ``SASL_SSL``, a certificate of its own, two users and
Kafka's ``StandardAuthorizer``. ``admin`` may do everything, ``driftline`` nothing at first.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.integration.broker import BrokerUnavailable, LocalKafka

ADMIN, USER = "admin", "driftline"
PASSWORDS = {ADMIN: "admin-secret", USER: "driftline-secret"}
SCRAM = "SCRAM-SHA-512"
LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule"
AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


class SecureKafka(LocalKafka):
    """``client`` has the settings of librdkafka for a user, by default for ``admin``."""

    def client(self, user: str = ADMIN, password: str | None = None) -> Mapping[str, str]:
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": SCRAM,
            "sasl.username": user,
            "sasl.password": password or PASSWORDS[user],
            "ssl.ca.location": str(self.certificate),
        }

    @property
    def certificate(self) -> Path:
        """As PEM. It is signed by itself, so it is that of its authority, too."""
        return self._directory / "ca.pem"

    def _format(self) -> None:
        (self._directory / "broker.pem").write_bytes(self._made_certificate())
        super()._format()

    def _made_certificate(self) -> bytes:
        """Its key and itself, as PEM."""
        names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        files = ("-keyout", "key.pem", "-out", self.certificate.name)
        command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files)
        try:
            subprocess.run(command, cwd=self._directory, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise BrokerUnavailable(f"openssl could not make a certificate: {error}") from error
        return (self._directory / "key.pem").read_bytes() + self.certificate.read_bytes()

    def _format_options(self) -> Sequence[str]:
        users = (f"{SCRAM}=[name={name},password={word}]" for name, word in PASSWORDS.items())
        return [word for user in users for word in ("--add-scram", user)]

    def _settings(self) -> dict[str, object]:
        settings = super()._settings()
        listeners = str(settings["listeners"])
        login = f'{LOGIN} required username="{ADMIN}" password="{PASSWORDS[ADMIN]}";'
        return {
            **settings,
            "listeners": listeners.replace("PLAINTEXT://", "SASL_SSL://", 1),
            "advertised.listeners": f"SASL_SSL://{self.bootstrap_servers}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": SCRAM,
            "sasl.mechanism.inter.broker.protocol": SCRAM,
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
            "ssl.keystore.location": "broker.pem",
            "ssl.keystore.type": "PEM",
            "ssl.truststore.location": "ca.pem",
            "ssl.truststore.type": "PEM",
            "authorizer.class.name": AUTHORIZER,
            # Without a name only the broker itself comes in, at the controller.
            "super.users": f"User:{ADMIN};User:ANONYMOUS",
        }
