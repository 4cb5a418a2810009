# SPDX-License-Identifier: Apache-2.0
"""OTLP requests as plain Python values, and the checks every receiver may rely on.

Decodes with code that protoc generates from opentelemetry.proto beside this file: not the schema,
and not the code, the encoder was built from.
"""
import base64
import importlib.util
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.join(ROOT, "build"))

KINDS = {0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
STATUS = {0: "unset", 1: "ok", 2: "error"}


def _schema():
    """The generated module; generated anew when the schema is younger."""
    proto = os.path.join(HERE, "opentelemetry.proto")
    folder = os.path.join(BUILD, "gen")
    target = os.path.join(folder, "opentelemetry_pb2.py")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(proto):
        os.makedirs(folder, exist_ok=True)
        # Generated elsewhere and moved, because several test programs may start at once.
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            subprocess.run(["protoc", "--proto_path=" + HERE, "--python_out=" + scratch, proto],
                           check=True)
            os.replace(os.path.join(scratch, "opentelemetry_pb2.py"), target)
    spec = importlib.util.spec_from_file_location("opentelemetry_pb2", target)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pb = _schema()


@dataclass
class Event:
    name: str
    time: int  # ns since the epoch
    attrs: dict


@dataclass
class Link:
    trace_id: str
    span_id: str
    trace_state: str
    attrs: dict
    flags: int


@dataclass
class Span:
    trace_id: str  # 32 hex digits
    span_id: str
    parent_id: str  # "" for a root
    name: str
    kind: str  # "client", "server" …
    start: int  # ns since the epoch
    end: int
    attrs: dict
    events: list
    links: list
    status: str  # "unset", "ok", "error"
    message: str
    trace_state: str
    flags: int
    scope: str
    scope_version: str
    resource: dict
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0

    def event(self, name):
        """The one event of that name, or None."""
        found = [e for e in self.events if e.name == name]
        assert len(found) <= 1, f"{len(found)} events {name!r} in {self.name!r}"
        return found[0] if found else None

    @property
    def traceparent(self):
        return f"00-{self.trace_id}-{self.span_id}-{self.flags & 0xff:02x}"


class Spans(list):
    """Spans in the order they came, with look-ups."""

    def find(self, name=None, **want):
        """Spans of that name whose fields, or attributes, have these values. An attribute's dots
        are written as two underscores: find(kind="client", http__request__method="GET")."""
        def fits(span):
            for key, value in want.items():
                have = (getattr(span, key) if key in span.__dataclass_fields__
                        else span.attrs.get(key.replace("__", ".")))
                if have != value:
                    return False
            return name is None or span.name == name
        return Spans(s for s in self if fits(s))

    def one(self, name=None, **want):
        found = self.find(name, **want)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} spans match {name!r} {want}, not 1, in:\n{self}")
        return found[0]

    def roots(self):
        """Spans whose parent is not here (none, or another process's)."""
        ids = {(s.trace_id, s.span_id) for s in self}
        return Spans(s for s in self if (s.trace_id, s.parent_id) not in ids)

    def parent(self, span):
        for s in self:
            if s.trace_id == span.trace_id and s.span_id == span.parent_id:
                return s
        return None

    def children(self, span):
        return Spans(sorted((s for s in self if s.trace_id == span.trace_id
                             and s.parent_id == span.span_id), key=lambda s: s.start))

    def tree(self):
        """[(name, [children …]) …], each level by start time: compare with a literal."""
        def walk(span):
            return (span.name, [walk(c) for c in self.children(span)])
        return [walk(s) for s in sorted(self.roots(), key=lambda s: s.start)]

    def __str__(self):
        lines = []

        def walk(span, depth):
            error = " ERROR" if span.status == "error" else ""
            lines.append(f"{'  ' * depth}{span.name} [{span.kind}{error}] {span.attrs}")
            for child in self.children(span):
                walk(child, depth + 1)
        for root in self.roots():
            walk(root, 0)
        return "\n".join(lines) or "(no spans)"


@dataclass
class Batch:
    """One decoded request."""
    spans: Spans = field(default_factory=Spans)
    errors: list = field(default_factory=list)  # what a strict receiver would complain of


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind is None:
        return None
    got = getattr(any_value, kind)
    if kind == "array_value":
        return [value(v) for v in got.values]
    if kind == "kvlist_value":
        return {kv.key: value(kv.value) for kv in got.values}
    return got


def _attrs(pairs, where, errors):
    out = {}
    for pair in pairs:
        if not pair.key:
            errors.append(f"{where}: an attribute without a key")
        if pair.key in out:
            errors.append(f"{where}: attribute {pair.key} twice")
        if pair.value.WhichOneof("value") is None:
            errors.append(f"{where}: attribute {pair.key} without a value")
        out[pair.key] = value(pair.value)
    return out


def _id(raw, length, where, errors, may_miss=False):
    if not (may_miss and not raw) and (len(raw) != length or not any(raw)):
        errors.append(f"{where}: id {raw.hex()!r} is not {length} bytes, or is zero")
    return raw.hex()


def _span(s, scope, resource, errors):
    where = f"span {s.name!r}"
    if not s.name:
        errors.append("a span without a name")
    if s.kind not in KINDS or not s.kind:
        errors.append(f"{where}: kind {s.kind}")
    if s.status.code not in STATUS:
        errors.append(f"{where}: status {s.status.code}")
    if not s.start_time_unix_nano or s.end_time_unix_nano < s.start_time_unix_nano:
        errors.append(f"{where}: from {s.start_time_unix_nano} to {s.end_time_unix_nano}")
    events = [Event(e.name, e.time_unix_nano, _attrs(e.attributes, where, errors))
              for e in s.events]
    for e in events:
        if not s.start_time_unix_nano <= e.time <= s.end_time_unix_nano:
            errors.append(f"{where}: event {e.name!r} lies outside")
    links = [Link(_id(l.trace_id, 16, where, errors), _id(l.span_id, 8, where, errors),
                  l.trace_state, _attrs(l.attributes, where, errors), l.flags) for l in s.links]
    return Span(_id(s.trace_id, 16, where, errors), _id(s.span_id, 8, where, errors),
                _id(s.parent_span_id, 8, where, errors, may_miss=True), s.name,
                KINDS.get(s.kind, str(s.kind)), s.start_time_unix_nano, s.end_time_unix_nano,
                _attrs(s.attributes, where, errors), events, links,
                STATUS.get(s.status.code, str(s.status.code)), s.status.message, s.trace_state,
                s.flags, scope.name, scope.version, resource, s.dropped_attributes_count,
                s.dropped_events_count, s.dropped_links_count)


def resource(message):
    """The attributes of a Resource message by itself."""
    errors = []
    attributes = _attrs(pb.Resource.FromString(message).attributes, "resource", errors)
    assert not errors, errors
    return attributes


def _unknown(message, errors):
    """Unknown fields anywhere: the encoder wrote a number the schema does not have."""
    known = message.__class__.FromString(message.SerializeToString())
    known.DiscardUnknownFields()
    if known.ByteSize() != message.ByteSize():
        errors.append("fields that are not in the schema")


def _batch(request):
    batch = Batch()
    _unknown(request, batch.errors)
    for rs in request.resource_spans:
        resource = _attrs(rs.resource.attributes, "resource", batch.errors)
        if "service.name" not in resource:
            batch.errors.append("resource without service.name")
        for ss in rs.scope_spans:
            batch.spans += [_span(s, ss.scope, resource, batch.errors) for s in ss.spans]
    ids = [(s.trace_id, s.span_id) for s in batch.spans]
    if len(set(ids)) != len(ids):
        batch.errors.append("two spans with the same ids")
    return batch


def decode_protobuf(body):
    """A Batch from an ExportTraceServiceRequest in wire form. Strings that are not UTF-8 do not
    decode, as with any conforming receiver."""
    try:
        request = pb.ExportTraceServiceRequest.FromString(body)
    except Exception as e:  # DecodeError, UnicodeDecodeError
        return Batch(errors=[f"does not decode: {e}"])
    return _batch(request)


_INT64 = {"startTimeUnixNano", "endTimeUnixNano", "timeUnixNano", "intValue"}
_HEX = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def _from_json(node, errors):
    """OTLP's JSON to what json_format reads: ids are hex in the one and base64 in the other."""
    if isinstance(node, list):
        return [_from_json(n, errors) for n in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, item in node.items():
        if "_" in key:
            errors.append(f"JSON name {key} is not lowerCamelCase")
        if key in _INT64 and not isinstance(item, str):
            errors.append(f"JSON {key} is not a string")
        if key in ("kind", "code") and not isinstance(item, int):
            errors.append(f"JSON enum {key} is not a number")
        if key in _HEX and item:
            out[key] = base64.b64encode(bytes.fromhex(item)).decode()
        else:
            out[key] = _from_json(item, errors)
    return out


def decode_json(body):
    """A Batch from OTLP JSON (bytes or str: one request)."""
    from google.protobuf import json_format
    errors = []
    try:
        text = body.decode() if isinstance(body, bytes) else body
        tree = json.loads(text, object_pairs_hook=lambda p: _no_twins(p, errors))
        request = json_format.ParseDict(_from_json(tree, errors), pb.ExportTraceServiceRequest())
    except Exception as e:  # not UTF-8, not JSON, not the schema
        return Batch(errors=errors + [f"does not decode: {e}"])
    batch = _batch(request)
    batch.errors = errors + batch.errors
    return batch


def _no_twins(pairs, errors):
    if len({k for k, _ in pairs}) != len(pairs):
        errors.append("JSON object with a name twice")
    return dict(pairs)


def decode_json_lines(text):
    """Spans of the file and otlp/stdout exporters: one request a line."""
    batch = Batch()
    for line in text.splitlines():
        one = decode_json(line)
        batch.spans += one.spans
        batch.errors += one.errors
    return batch
