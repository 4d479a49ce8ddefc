import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("symbol_id", "tf", "as_of")
    SYMBOL_ID_FIELD_NUMBER: _ClassVar[int]
    TF_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    symbol_id: str
    tf: str
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, symbol_id: _Optional[str] = ..., tf: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ScoreBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[ScoreRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[ScoreRequest, _Mapping]]] = ...) -> None: ...

class ScoreBatchResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ScoreItem]
    def __init__(self, items: _Optional[_Iterable[_Union[ScoreItem, _Mapping]]] = ...) -> None: ...

class ScoreItem(_message.Message):
    __slots__ = ("signal", "error")
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    signal: Signal
    error: ScoreError
    def __init__(self, signal: _Optional[_Union[Signal, _Mapping]] = ..., error: _Optional[_Union[ScoreError, _Mapping]] = ...) -> None: ...

class ScoreError(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class StreamSignalsRequest(_message.Message):
    __slots__ = ("symbol_ids", "tfs", "from_beginning")
    SYMBOL_IDS_FIELD_NUMBER: _ClassVar[int]
    TFS_FIELD_NUMBER: _ClassVar[int]
    FROM_BEGINNING_FIELD_NUMBER: _ClassVar[int]
    symbol_ids: _containers.RepeatedScalarFieldContainer[str]
    tfs: _containers.RepeatedScalarFieldContainer[str]
    from_beginning: bool
    def __init__(self, symbol_ids: _Optional[_Iterable[str]] = ..., tfs: _Optional[_Iterable[str]] = ..., from_beginning: _Optional[bool] = ...) -> None: ...

class Signal(_message.Message):
    __slots__ = ("ts", "symbol_id", "tf", "horizon_bars", "score", "prob_up", "conf", "expected_return", "interval", "risk", "sizing", "model", "regime", "gates", "lineage", "validity")
    class ReturnInterval(_message.Message):
        __slots__ = ("lo", "hi", "coverage")
        LO_FIELD_NUMBER: _ClassVar[int]
        HI_FIELD_NUMBER: _ClassVar[int]
        COVERAGE_FIELD_NUMBER: _ClassVar[int]
        lo: float
        hi: float
        coverage: float
        def __init__(self, lo: _Optional[float] = ..., hi: _Optional[float] = ..., coverage: _Optional[float] = ...) -> None: ...
    class Risk(_message.Message):
        __slots__ = ("target_vol", "realized_vol", "kelly_frac")
        TARGET_VOL_FIELD_NUMBER: _ClassVar[int]
        REALIZED_VOL_FIELD_NUMBER: _ClassVar[int]
        KELLY_FRAC_FIELD_NUMBER: _ClassVar[int]
        target_vol: float
        realized_vol: float
        kelly_frac: float
        def __init__(self, target_vol: _Optional[float] = ..., realized_vol: _Optional[float] = ..., kelly_frac: _Optional[float] = ...) -> None: ...
    class Sizing(_message.Message):
        __slots__ = ("nav_frac", "max_adv_share")
        NAV_FRAC_FIELD_NUMBER: _ClassVar[int]
        MAX_ADV_SHARE_FIELD_NUMBER: _ClassVar[int]
        nav_frac: float
        max_adv_share: float
        def __init__(self, nav_frac: _Optional[float] = ..., max_adv_share: _Optional[float] = ...) -> None: ...
    class Model(_message.Message):
        __slots__ = ("ensemble", "members", "version")
        ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
        MEMBERS_FIELD_NUMBER: _ClassVar[int]
        VERSION_FIELD_NUMBER: _ClassVar[int]
        ensemble: str
        members: _containers.RepeatedScalarFieldContainer[str]
        version: str
        def __init__(self, ensemble: _Optional[str] = ..., members: _Optional[_Iterable[str]] = ..., version: _Optional[str] = ...) -> None: ...
    class Lineage(_message.Message):
        __slots__ = ("pack_id", "pack_hash", "raw_offset")
        PACK_ID_FIELD_NUMBER: _ClassVar[int]
        PACK_HASH_FIELD_NUMBER: _ClassVar[int]
        RAW_OFFSET_FIELD_NUMBER: _ClassVar[int]
        pack_id: str
        pack_hash: str
        raw_offset: int
        def __init__(self, pack_id: _Optional[str] = ..., pack_hash: _Optional[str] = ..., raw_offset: _Optional[int] = ...) -> None: ...
    TS_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_ID_FIELD_NUMBER: _ClassVar[int]
    TF_FIELD_NUMBER: _ClassVar[int]
    HORIZON_BARS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PROB_UP_FIELD_NUMBER: _ClassVar[int]
    CONF_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_RETURN_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    SIZING_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REGIME_FIELD_NUMBER: _ClassVar[int]
    GATES_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    VALIDITY_FIELD_NUMBER: _ClassVar[int]
    ts: _timestamp_pb2.Timestamp
    symbol_id: str
    tf: str
    horizon_bars: int
    score: float
    prob_up: float
    conf: float
    expected_return: float
    interval: Signal.ReturnInterval
    risk: Signal.Risk
    sizing: Signal.Sizing
    model: Signal.Model
    regime: str
    gates: _containers.RepeatedScalarFieldContainer[str]
    lineage: Signal.Lineage
    validity: float
    def __init__(self, ts: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., symbol_id: _Optional[str] = ..., tf: _Optional[str] = ..., horizon_bars: _Optional[int] = ..., score: _Optional[float] = ..., prob_up: _Optional[float] = ..., conf: _Optional[float] = ..., expected_return: _Optional[float] = ..., interval: _Optional[_Union[Signal.ReturnInterval, _Mapping]] = ..., risk: _Optional[_Union[Signal.Risk, _Mapping]] = ..., sizing: _Optional[_Union[Signal.Sizing, _Mapping]] = ..., model: _Optional[_Union[Signal.Model, _Mapping]] = ..., regime: _Optional[str] = ..., gates: _Optional[_Iterable[str]] = ..., lineage: _Optional[_Union[Signal.Lineage, _Mapping]] = ..., validity: _Optional[float] = ...) -> None: ...
