package rpc

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// ClientCredentials makes a client use config, from identity.Key.ClientTLS.
func ClientCredentials(config *tls.Config) grpc.DialOption {
	return grpc.WithTransportCredentials(credentials.NewTLS(config))
}

// ServerCredentials makes a server use config, from identity.Key.ServerTLS. Unlike gRPC's own, they log which key was
// refused and why, and let the refused client read the reason before the connection closes.
func ServerCredentials(config *tls.Config, logger *slog.Logger) grpc.ServerOption {
	return grpc.Creds(&serverCredentials{TransportCredentials: credentials.NewTLS(config), logger: logger})
}

type serverCredentials struct {
	credentials.TransportCredentials
	logger *slog.Logger
}

func (c *serverCredentials) Clone() credentials.TransportCredentials {
	return &serverCredentials{TransportCredentials: c.TransportCredentials.Clone(), logger: c.logger}
}

func (c *serverCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	lingering := &lingeringConn{Conn: raw}
	lingering.refused.Store(true)
	conn, info, err := c.TransportCredentials.ServerHandshake(lingering)
	if err == nil {
		lingering.refused.Store(false)
		return conn, info, nil
	}
	// A connection closed without a word is somebody's port check.
	if !errors.Is(err, io.EOF) {
		c.logger.Warn("connection refused", "address", raw.RemoteAddr().String(), "error", err.Error())
	}
	return nil, nil, err
}

// lingeringConn, when it refuses a client, ends its own sending and reads what the client still sends before it closes. A
// close with bytes unread resets a TCP connection, and the client may then never see the TLS alert.
type lingeringConn struct {
	net.Conn
	refused atomic.Bool // until the handshake has succeeded
}

func (c *lingeringConn) Close() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !c.refused.Load() || !ok || half.CloseWrite() != nil {
		return c.Conn.Close()
	}
	const most = 64 << 10 // a client sends its preface and its first calls before it hears of the refusal
	if c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, most)
	}
	return c.Conn.Close()
}
