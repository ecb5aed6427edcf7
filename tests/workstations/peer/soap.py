"""Reads the WSMan requests that clients send, and writes the answers and faults that WinRM gives."""

import base64
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

NAMES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
}
SHELL = NAMES["rsp"]
CMD = f"{SHELL}/cmd"
_DECLARED = " ".join(f'xmlns:{short}="{uri}"' for short, uri in NAMES.items())

OPERATION_TIMEOUT = 2150858793
SHELL_NOT_FOUND = 2150858843
TOO_MANY_SHELLS = 2150859173
TOO_MANY_OPERATIONS = 2150859174
ACCESS_DENIED = 5
FILE_NOT_FOUND = 2147942402
NEEDS_ELEVATION = 2147943140
NOT_SUPPORTED = 2150858811


class Fault(Exception):
    """A WSMan fault: what WinRM answers where it can't do what was asked."""

    def __init__(self, code: int, subcode: str, message: str) -> None:
        super().__init__(message)
        self.code, self.subcode, self.message = code, subcode, message


@dataclass(frozen=True)
class Request:
    """One WSMan request."""

    action: str
    """The last word of its action: Create, Command, Receive ..."""
    message_id: str
    shell_id: str
    timeout: float
    """The OperationTimeout, in seconds."""
    options: dict[str, str]
    body: ET.Element

    def text(self, name: str) -> str:
        """Return the text of the first element of the shell's namespace with this name, empty: none."""
        found = self.body.find(f".//rsp:{name}", NAMES)
        return (found.text or "") if found is not None else ""

    def texts(self, name: str) -> list[str]:
        """Return the texts of all of them."""
        return [found.text or "" for found in self.body.findall(f".//rsp:{name}", NAMES)]

    def command_id(self) -> str:
        """Return the command that it is about."""
        for found in self.body.iter():
            if "CommandId" in found.attrib:
                return found.attrib["CommandId"].upper()
        return ""


def read(message: bytes) -> Request:
    """Return the request in an envelope. Raises ET.ParseError where it is none."""
    envelope = ET.fromstring(message)
    header, body = envelope.find("s:Header", NAMES), envelope.find("s:Body", NAMES)
    if header is None or body is None:
        raise ET.ParseError("no header or body")
    return Request(
        action=header.findtext("a:Action", "", NAMES).rpartition("/")[2],
        message_id=header.findtext("a:MessageID", "", NAMES),
        shell_id=header.findtext("w:SelectorSet/w:Selector", "", NAMES),
        timeout=seconds(header.findtext("w:OperationTimeout", "PT60S", NAMES)),
        options={
            option.attrib["Name"]: option.text or ""
            for option in header.findall("w:OptionSet/w:Option", NAMES)
        },
        body=body,
    )


def seconds(duration: str) -> float:
    """Return the seconds in a duration as clients write it: PT20S, PT7200.000S, PT2H."""
    value, unit = duration.removeprefix("PT")[:-1], duration[-1:]
    return float(value) * {"S": 1, "M": 60, "H": 3600}[unit]


def answer(request: Request, body: str) -> bytes:
    """Return the envelope that answers a request."""
    return (
        f"<s:Envelope {_DECLARED}><s:Header>"
        f"<a:Action>{SHELL}/{request.action}Response</a:Action>"
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:RelatesTo>{escape(request.message_id)}</a:RelatesTo>"
        "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault(request: Request, what: Fault) -> bytes:
    """Return the envelope with a fault."""
    text = escape(what.message)
    return answer(
        request,
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{what.subcode}</s:Value></s:Subcode>"
        f'</s:Code><s:Reason><s:Text xml:lang="en-US">{text}</s:Text></s:Reason><s:Detail>'
        f'<f:WSManFault Code="{what.code}" Machine="peer"><f:Message>{text}</f:Message></f:WSManFault>'
        "</s:Detail></s:Fault>",
    )


def created(shell_id: str, user: str, idle_seconds: float) -> str:
    """Return the body that tells of a new shell."""
    return (
        "<x:ResourceCreated><a:Address>http://peer/wsman</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{CMD}</w:ResourceURI>"
        f'<w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet>'
        "</a:ReferenceParameters></x:ResourceCreated>"
        f"<rsp:Shell><rsp:ShellId>{shell_id}</rsp:ShellId><rsp:ResourceUri>{CMD}</rsp:ResourceUri>"
        f"<rsp:Owner>{escape(user)}</rsp:Owner><rsp:ClientIP>127.0.0.1</rsp:ClientIP>"
        f"<rsp:IdleTimeOut>PT{idle_seconds:.3f}S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>"
        "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
    )


def began(command_id: str) -> str:
    """Return the body that tells of a command that was begun."""
    return f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"


def received(command_id: str, pieces: list[tuple[str, bytes]], exit_code: int | None) -> str:
    """Return the body with output, and the exit code where it has ended."""
    about = f"CommandId={quoteattr(command_id)}"
    streams = "".join(
        f'<rsp:Stream Name="{name}" {about}>{base64.b64encode(data).decode()}</rsp:Stream>'
        for name, data in pieces
    )
    if exit_code is None:
        state = f'<rsp:CommandState {about} State="{SHELL}/CommandState/Running"/>'
    else:
        streams += "".join(f'<rsp:Stream Name="{name}" {about} End="true"/>' for name in ("stdout", "stderr"))
        state = (
            f'<rsp:CommandState {about} State="{SHELL}/CommandState/Done">'
            f"<rsp:ExitCode>{exit_code}</rsp:ExitCode></rsp:CommandState>"
        )
    return f"<rsp:ReceiveResponse>{streams}{state}</rsp:ReceiveResponse>"
