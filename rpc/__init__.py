"""What every service and every client of this project has in common on gRPC.

- `credentials`: TLS for the two listeners and for the channels to them;
- `caller`: who is calling, from the client certificate, and whether they may;
- `errors`: one table between our errors and status codes, in both directions;
- `server`: a listener with health checking, reflection and the interceptor that
  answers with those errors;
- `health`: the health service, in which no client can hold up another;
- `first_message`: the end of calls whose request does not come;
- `retry`: calling again while the server cannot be reached.

The services themselves stand in the rooms whose work they offer. This room knows
no message of ours.
"""
