import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetFeaturesRequest(_message.Message):
    __slots__ = ("symbol_ids", "as_of", "pack_id", "time_horizon", "rows", "known_by")
    SYMBOL_IDS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_HORIZON_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_BY_FIELD_NUMBER: _ClassVar[int]
    symbol_ids: _containers.RepeatedScalarFieldContainer[str]
    as_of: _timestamp_pb2.Timestamp
    pack_id: str
    time_horizon: str
    rows: int
    known_by: _timestamp_pb2.Timestamp
    def __init__(self, symbol_ids: _Optional[_Iterable[str]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pack_id: _Optional[str] = ..., time_horizon: _Optional[str] = ..., rows: _Optional[int] = ..., known_by: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetFeaturesResponse(_message.Message):
    __slots__ = ("pack_id", "pack_hash", "time_horizon", "feature_names", "rows", "missing")
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    PACK_HASH_FIELD_NUMBER: _ClassVar[int]
    TIME_HORIZON_FIELD_NUMBER: _ClassVar[int]
    FEATURE_NAMES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    pack_id: str
    pack_hash: str
    time_horizon: str
    feature_names: _containers.RepeatedScalarFieldContainer[str]
    rows: _containers.RepeatedCompositeFieldContainer[FeatureVector]
    missing: _containers.RepeatedCompositeFieldContainer[MissingSymbol]
    def __init__(self, pack_id: _Optional[str] = ..., pack_hash: _Optional[str] = ..., time_horizon: _Optional[str] = ..., feature_names: _Optional[_Iterable[str]] = ..., rows: _Optional[_Iterable[_Union[FeatureVector, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[MissingSymbol, _Mapping]]] = ...) -> None: ...

class FeatureVector(_message.Message):
    __slots__ = ("symbol_id", "ts", "values", "warm", "age_ms", "stale", "quality", "known_at")
    class Quality(_message.Message):
        __slots__ = ("stale", "outlier_frac", "n_src", "lat_ms", "gap")
        STALE_FIELD_NUMBER: _ClassVar[int]
        OUTLIER_FRAC_FIELD_NUMBER: _ClassVar[int]
        N_SRC_FIELD_NUMBER: _ClassVar[int]
        LAT_MS_FIELD_NUMBER: _ClassVar[int]
        GAP_FIELD_NUMBER: _ClassVar[int]
        stale: bool
        outlier_frac: float
        n_src: float
        lat_ms: float
        gap: bool
        def __init__(self, stale: _Optional[bool] = ..., outlier_frac: _Optional[float] = ..., n_src: _Optional[float] = ..., lat_ms: _Optional[float] = ..., gap: _Optional[bool] = ...) -> None: ...
    SYMBOL_ID_FIELD_NUMBER: _ClassVar[int]
    TS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    WARM_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    symbol_id: str
    ts: _timestamp_pb2.Timestamp
    values: _containers.RepeatedScalarFieldContainer[float]
    warm: bool
    age_ms: float
    stale: bool
    quality: FeatureVector.Quality
    known_at: _timestamp_pb2.Timestamp
    def __init__(self, symbol_id: _Optional[str] = ..., ts: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., values: _Optional[_Iterable[float]] = ..., warm: _Optional[bool] = ..., age_ms: _Optional[float] = ..., stale: _Optional[bool] = ..., quality: _Optional[_Union[FeatureVector.Quality, _Mapping]] = ..., known_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MissingSymbol(_message.Message):
    __slots__ = ("symbol_id", "reason")
    SYMBOL_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    symbol_id: str
    reason: str
    def __init__(self, symbol_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
