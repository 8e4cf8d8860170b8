from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BindRequest(_message.Message):
    __slots__ = ("session_id", "epoch", "tenant", "agent_json", "model_handle", "transcript", "claude_session_id", "allowed_rules", "input_cursor", "traceparent", "user_id")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AGENT_JSON_FIELD_NUMBER: _ClassVar[int]
    MODEL_HANDLE_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    CLAUDE_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_RULES_FIELD_NUMBER: _ClassVar[int]
    INPUT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    epoch: int
    tenant: str
    agent_json: str
    model_handle: str
    transcript: _containers.RepeatedCompositeFieldContainer[TranscriptEntry]
    claude_session_id: str
    allowed_rules: _containers.RepeatedScalarFieldContainer[str]
    input_cursor: int
    traceparent: str
    user_id: str
    def __init__(self, session_id: _Optional[str] = ..., epoch: _Optional[int] = ..., tenant: _Optional[str] = ..., agent_json: _Optional[str] = ..., model_handle: _Optional[str] = ..., transcript: _Optional[_Iterable[_Union[TranscriptEntry, _Mapping]]] = ..., claude_session_id: _Optional[str] = ..., allowed_rules: _Optional[_Iterable[str]] = ..., input_cursor: _Optional[int] = ..., traceparent: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class BindResponse(_message.Message):
    __slots__ = ("worker_id", "claude_session_id", "start", "cli_version")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    CLAUDE_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    CLI_VERSION_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    claude_session_id: str
    start: str
    cli_version: str
    def __init__(self, worker_id: _Optional[str] = ..., claude_session_id: _Optional[str] = ..., start: _Optional[str] = ..., cli_version: _Optional[str] = ...) -> None: ...

class TranscriptEntry(_message.Message):
    __slots__ = ("subpath", "entry")
    SUBPATH_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    subpath: str
    entry: bytes
    def __init__(self, subpath: _Optional[str] = ..., entry: _Optional[bytes] = ...) -> None: ...

class GatewayFrame(_message.Message):
    __slots__ = ("hello", "ack", "input", "keep_alive")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    hello: AttachHello
    ack: Ack
    input: Input
    keep_alive: KeepAlive
    def __init__(self, hello: _Optional[_Union[AttachHello, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., input: _Optional[_Union[Input, _Mapping]] = ..., keep_alive: _Optional[_Union[KeepAlive, _Mapping]] = ...) -> None: ...

class AttachHello(_message.Message):
    __slots__ = ("gateway_id", "can_write")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    CAN_WRITE_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    can_write: bool
    def __init__(self, gateway_id: _Optional[str] = ..., can_write: _Optional[bool] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("n", "last_seq")
    N_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    n: int
    last_seq: int
    def __init__(self, n: _Optional[int] = ..., last_seq: _Optional[int] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("seq", "id", "type", "payload")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    seq: int
    id: str
    type: str
    payload: bytes
    def __init__(self, seq: _Optional[int] = ..., id: _Optional[str] = ..., type: _Optional[str] = ..., payload: _Optional[bytes] = ...) -> None: ...

class KeepAlive(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WorkerFrame(_message.Message):
    __slots__ = ("hello", "role", "facts", "previews", "advanced", "input_cursor", "keep_alive", "ending")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    PREVIEWS_FIELD_NUMBER: _ClassVar[int]
    ADVANCED_FIELD_NUMBER: _ClassVar[int]
    INPUT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    ENDING_FIELD_NUMBER: _ClassVar[int]
    hello: WorkerHello
    role: WriterRole
    facts: Facts
    previews: Previews
    advanced: Advanced
    input_cursor: InputCursor
    keep_alive: KeepAlive
    ending: Ending
    def __init__(self, hello: _Optional[_Union[WorkerHello, _Mapping]] = ..., role: _Optional[_Union[WriterRole, _Mapping]] = ..., facts: _Optional[_Union[Facts, _Mapping]] = ..., previews: _Optional[_Union[Previews, _Mapping]] = ..., advanced: _Optional[_Union[Advanced, _Mapping]] = ..., input_cursor: _Optional[_Union[InputCursor, _Mapping]] = ..., keep_alive: _Optional[_Union[KeepAlive, _Mapping]] = ..., ending: _Optional[_Union[Ending, _Mapping]] = ...) -> None: ...

class WorkerHello(_message.Message):
    __slots__ = ("worker_id", "session_id", "epoch", "acked_n", "input_cursor", "turn_running")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACKED_N_FIELD_NUMBER: _ClassVar[int]
    INPUT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    TURN_RUNNING_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    session_id: str
    epoch: int
    acked_n: int
    input_cursor: int
    turn_running: bool
    def __init__(self, worker_id: _Optional[str] = ..., session_id: _Optional[str] = ..., epoch: _Optional[int] = ..., acked_n: _Optional[int] = ..., input_cursor: _Optional[int] = ..., turn_running: _Optional[bool] = ...) -> None: ...

class WriterRole(_message.Message):
    __slots__ = ("writer", "next_n")
    WRITER_FIELD_NUMBER: _ClassVar[int]
    NEXT_N_FIELD_NUMBER: _ClassVar[int]
    writer: bool
    next_n: int
    def __init__(self, writer: _Optional[bool] = ..., next_n: _Optional[int] = ...) -> None: ...

class Facts(_message.Message):
    __slots__ = ("first_n", "facts", "transcript")
    FIRST_N_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    first_n: int
    facts: _containers.RepeatedCompositeFieldContainer[Fact]
    transcript: _containers.RepeatedCompositeFieldContainer[TranscriptEntry]
    def __init__(self, first_n: _Optional[int] = ..., facts: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ..., transcript: _Optional[_Iterable[_Union[TranscriptEntry, _Mapping]]] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("id", "type", "payload")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    payload: bytes
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., payload: _Optional[bytes] = ...) -> None: ...

class Previews(_message.Message):
    __slots__ = ("previews",)
    PREVIEWS_FIELD_NUMBER: _ClassVar[int]
    previews: _containers.RepeatedCompositeFieldContainer[Preview]
    def __init__(self, previews: _Optional[_Iterable[_Union[Preview, _Mapping]]] = ...) -> None: ...

class Preview(_message.Message):
    __slots__ = ("event_id", "event_type", "kind", "offset", "length", "payload")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        START: _ClassVar[Preview.Kind]
        DELTA: _ClassVar[Preview.Kind]
        WITHDRAWN: _ClassVar[Preview.Kind]
    START: Preview.Kind
    DELTA: Preview.Kind
    WITHDRAWN: Preview.Kind
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    event_type: str
    kind: Preview.Kind
    offset: int
    length: int
    payload: bytes
    def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., kind: _Optional[_Union[Preview.Kind, str]] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., payload: _Optional[bytes] = ...) -> None: ...

class Advanced(_message.Message):
    __slots__ = ("last_seq",)
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    last_seq: int
    def __init__(self, last_seq: _Optional[int] = ...) -> None: ...

class InputCursor(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class Ending(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class GetContextUsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetContextUsageResponse(_message.Message):
    __slots__ = ("usage_json",)
    USAGE_JSON_FIELD_NUMBER: _ClassVar[int]
    usage_json: str
    def __init__(self, usage_json: _Optional[str] = ...) -> None: ...

class ListFilesRequest(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class ListFilesResponse(_message.Message):
    __slots__ = ("files", "truncated")
    FILES_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[FileInfo]
    truncated: bool
    def __init__(self, files: _Optional[_Iterable[_Union[FileInfo, _Mapping]]] = ..., truncated: _Optional[bool] = ...) -> None: ...

class FileInfo(_message.Message):
    __slots__ = ("name", "directory", "size", "modified_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    directory: bool
    size: int
    modified_at: float
    def __init__(self, name: _Optional[str] = ..., directory: _Optional[bool] = ..., size: _Optional[int] = ..., modified_at: _Optional[float] = ...) -> None: ...

class ReadFileRequest(_message.Message):
    __slots__ = ("path", "max_bytes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    path: str
    max_bytes: int
    def __init__(self, path: _Optional[str] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class FileChunk(_message.Message):
    __slots__ = ("data", "total_size")
    DATA_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    total_size: int
    def __init__(self, data: _Optional[bytes] = ..., total_size: _Optional[int] = ...) -> None: ...

class SaveWorkspaceRequest(_message.Message):
    __slots__ = ("known_fingerprint", "limits")
    KNOWN_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    known_fingerprint: str
    limits: WorkspaceLimits
    def __init__(self, known_fingerprint: _Optional[str] = ..., limits: _Optional[_Union[WorkspaceLimits, _Mapping]] = ...) -> None: ...

class WorkspaceLimits(_message.Message):
    __slots__ = ("total_bytes", "file_bytes", "exclude")
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    FILE_BYTES_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    total_bytes: int
    file_bytes: int
    exclude: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, total_bytes: _Optional[int] = ..., file_bytes: _Optional[int] = ..., exclude: _Optional[_Iterable[str]] = ...) -> None: ...

class WorkspaceManifest(_message.Message):
    __slots__ = ("data", "unchanged", "fingerprint", "files", "size_bytes", "pieces", "left_out", "left_out_count", "replace", "limits")
    DATA_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    unchanged: bool
    fingerprint: str
    files: int
    size_bytes: int
    pieces: _containers.RepeatedScalarFieldContainer[bytes]
    left_out: _containers.RepeatedCompositeFieldContainer[LeftOut]
    left_out_count: int
    replace: bool
    limits: WorkspaceLimits
    def __init__(self, data: _Optional[bytes] = ..., unchanged: _Optional[bool] = ..., fingerprint: _Optional[str] = ..., files: _Optional[int] = ..., size_bytes: _Optional[int] = ..., pieces: _Optional[_Iterable[bytes]] = ..., left_out: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ..., left_out_count: _Optional[int] = ..., replace: _Optional[bool] = ..., limits: _Optional[_Union[WorkspaceLimits, _Mapping]] = ...) -> None: ...

class LeftOut(_message.Message):
    __slots__ = ("path", "reason", "size_bytes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    path: str
    reason: str
    size_bytes: int
    def __init__(self, path: _Optional[str] = ..., reason: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ReadPiecesRequest(_message.Message):
    __slots__ = ("pieces",)
    PIECES_FIELD_NUMBER: _ClassVar[int]
    pieces: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, pieces: _Optional[_Iterable[bytes]] = ...) -> None: ...

class WorkspacePiece(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class OfferWorkspaceResponse(_message.Message):
    __slots__ = ("kept", "wanted")
    KEPT_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    kept: bool
    wanted: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, kept: _Optional[bool] = ..., wanted: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RestoreWorkspaceResponse(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: int
    def __init__(self, files: _Optional[int] = ...) -> None: ...
