"""Stands in for TensorFlow Serving where it cannot be had: its gRPC service and its REST interface.

The service, its messages and its errors' codes are those of `tensorflow-serving-api`; what a real
server does with versions, batches and files is not played.
"""

import http.server
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc

from components.serving_check import messages


class StandIn:
    """Serves one SavedModel under one name; `grpc_port` and `rest_port` say where."""

    def __init__(self, folder: str, name: str):
        self.name, self._model = name, tf.saved_model.load(folder)
        self._signature = self._model.signatures[messages.SIGNATURE]

    def answer(self, request):
        return messages.answer(self._signature, request)

    def __enter__(self):
        # As the real one sets it.
        options = [("grpc.max_receive_message_length", 2**31 - 1)]
        self._grpc = grpc.server(ThreadPoolExecutor(2), options=options)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _Service(self), self._grpc
        )
        self.grpc_port = self._grpc.add_insecure_port("localhost:0")
        self._grpc.start()
        stand_in = self
        handler = type("Handler", (_Rest,), {"stand_in": stand_in})
        self._rest = http.server.ThreadingHTTPServer(("localhost", 0), handler)
        self.rest_port = self._rest.server_address[1]
        threading.Thread(target=self._rest.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._grpc.stop(None)
        self._rest.shutdown()
        self._rest.server_close()


class _Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, stand_in):
        self._stand_in = stand_in

    def Predict(self, request, context):
        if request.model_spec.name != self._stand_in.name:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
        try:
            return self._stand_in.answer(request)
        except (ValueError, tf.errors.OpError) as e:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(e))


class _Rest(http.server.BaseHTTPRequestHandler):
    stand_in: StandIn

    def do_GET(self):
        known = self.path == f"/v1/models/{self.stand_in.name}"
        status = {"error_code": "OK", "error_message": ""}
        state = {"version": "1", "state": "AVAILABLE", "status": status}
        self._send(200 if known else 404, json.dumps({"model_version_status": [state] * known}))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path != f"/v1/models/{self.stand_in.name}:predict":
            self._send(404, json.dumps({"error": "Servable not found for request"}))
            return
        try:
            response = self.stand_in.answer(messages.request_of_json(body))
            self._send(200, messages.json_of_response(response))
        except (ValueError, tf.errors.OpError) as e:
            self._send(400, json.dumps({"error": str(e)}))

    def _send(self, code, text):
        held = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(held)))
        self.end_headers()
        self.wfile.write(held)

    def log_message(self, *_):
        pass
