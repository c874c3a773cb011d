// Package rpc is what every gRPC server and client of Sotto has in common: limits, keepalive, errors and the request log.
//
// A server is grpc.NewServer(append(rpc.ServerOptions(logger), rpc.ServerCredentials(key.ServerTLS(allowed), logger))...),
// a client grpc.NewClient(address, append(rpc.DialOptions(), rpc.ClientCredentials(key.ClientTLS(server)))...).
//
// A handler returns whatever error it has: it reaches the caller as a fault with the same kind, party, message and hint
// if it is one, as "internal error" if it is not. A client's calls and streams return faults (io.EOF, the regular end of a
// stream, stays io.EOF).
package rpc

import "time"

// The defaults, all in one place.
const (
	// MaxMessage is the largest message, in bytes, that either side sends or accepts. A block of 2^14 slots under a
	// 438-bit modulus takes 1.8 MB.
	MaxMessage = 16 << 20

	maxHeaders = 64 << 10 // bytes of a request's or reply's headers; an error with its hint takes 3 KiB

	// maxStreams is how many calls one connection may have open; gRPC makes further ones wait. A query holds one per
	// chain and hop: too few would deadlock a relay.
	maxStreams = 1024

	// A peer whose machine has gone, so that no connection breaks, is noticed after pingEvery + pingTimeout. gRPC has no
	// client ping faster than every 10 s.
	pingEvery   = 10 * time.Second
	pingTimeout = 5 * time.Second
	// minPingEvery is the least that a server takes from a client before it hangs up on it.
	minPingEvery = 5 * time.Second

	// handshakeTimeout bounds what an unauthenticated connection can hold on to.
	handshakeTimeout = 10 * time.Second

	// lingerTime bounds how long a server reads on from a client that it has refused; see [ServerCredentials].
	lingerTime = time.Second

	// connectTimeout bounds one attempt to reach a node, TLS handshake included; a call that needs it waits for it.
	connectTimeout = 5 * time.Second

	// A node that is being restarted is tried again soon, and not forever less often.
	backoffBase = 100 * time.Millisecond
	backoffMax  = time.Second
)
