"""What may stand where CA certificates are asked for. Pure."""

import ssl


def certificate_fault(pem: str) -> str:
    """Return what is wrong with certificates in PEM and how to mend it; empty where nothing is."""
    if not pem.strip():
        return ""
    if "PRIVATE KEY" in pem:
        return "There is a private key in it, which nobody needs here. Paste the certificates alone."
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError):  # TypeError: something that is not ASCII
        return "These are no certificates in PEM: -----BEGIN CERTIFICATE-----, and so on."
    return ""
