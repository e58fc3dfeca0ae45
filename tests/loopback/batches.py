"""The Batch API of the server: files and batches in memory."""

import json
from collections import Counter
from typing import Any

from tests.loopback.answers import answer_text, completion, fault_reply
from tests.loopback.behavior import Behavior


class Batches:
    """Files, and batches that end after some looks at them."""

    def __init__(self, behavior: Behavior, n_before: Counter[str]) -> None:
        self.behavior = behavior
        self.n_before = n_before
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.n_uploaded = 0

    def answer(
        self, method: str, path: str, headers: dict[str, str], content: bytes
    ) -> tuple[int, Any]:
        if path == "/v1/files" and method == "POST":
            boundary = headers["content-type"].split("boundary=")[1].encode()
            for part in content.split(b"--" + boundary):
                if b'name="file"' in part:
                    name = f"file-{len(self.files)}"
                    self.files[name] = part.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n")
                    self.n_uploaded += 1
                    return 200, {
                        "id": name,
                        "object": "file",
                        "bytes": 1,
                        "created_at": 0,
                        "filename": "x",
                        "purpose": "batch",
                        "status": "processed",
                    }
        if path.startswith("/v1/files/"):
            return 200, self.files[path.split("/")[3]]
        if path == "/v1/batches" and method == "POST":
            body = json.loads(content)
            name = f"batch-{len(self.batches)}"
            self.batches[name] = {
                "id": name,
                "object": "batch",
                "created_at": 0,
                "completion_window": "24h",
                "endpoint": body["endpoint"],
                "input_file_id": body["input_file_id"],
                "metadata": body.get("metadata"),
                "status": "in_progress",
                "polls": 0,
            }
            return 200, self.shown(name)
        if path.startswith("/v1/batches?") or path == "/v1/batches":
            data = [self.shown(name) for name in reversed(self.batches)]
            return 200, {"object": "list", "data": data, "has_more": False}
        name = path.split("/")[3]
        batch = self.batches[name]
        batch["polls"] += 1
        if batch["status"] == "in_progress" and batch["polls"] > self.behavior.batch_polls:
            self.end(batch)
        return 200, self.shown(name)

    def shown(self, name: str) -> dict[str, Any]:
        return {key: value for key, value in self.batches[name].items() if key != "polls"}

    def end(self, batch: dict[str, Any]) -> None:
        """Answer a batch: faults go to the error file, what is past the expiry as expired."""
        good, bad = [], []
        lines = self.files[batch["input_file_id"]].decode().splitlines()
        most = self.behavior.batch_expires_after
        for number, line in enumerate(lines):
            row = json.loads(line)
            if most is not None and number >= most:
                bad.append(
                    {
                        "custom_id": row["custom_id"],
                        "response": None,
                        "error": {"code": "batch_expired", "message": "expired"},
                    }
                )
                continue
            n_before = self.n_before[row["custom_id"]]
            self.n_before[row["custom_id"]] += 1
            fault = self.behavior.fault(row["body"], n_before)
            reply: Any = completion(row["body"], answer_text(row["body"]))
            status = 200
            if fault is not None:
                status, reply, _ = fault_reply(fault, reply)
            (good if status == 200 else bad).append(
                {
                    "custom_id": row["custom_id"],
                    "error": None,
                    "response": {"status_code": status, "request_id": "r", "body": reply},
                }
            )
        batch["status"] = "completed" if most is None or len(lines) <= most else "expired"
        for name, rows in (("output_file_id", good), ("error_file_id", bad)):
            if rows:
                file = f"file-{len(self.files)}"
                self.files[file] = "\n".join(json.dumps(row) for row in rows).encode()
                batch[name] = file
