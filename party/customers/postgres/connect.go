package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/sotto-dev/sotto/internal/fault"
)

const (
	// connectTimeout is how long a server may take to accept a connection, unless the connection string has connect_timeout.
	connectTimeout = 30 * time.Second
	// cancelTimeout is how long a server may take to obey a cancel request before its connection is given up.
	cancelTimeout = 3 * time.Second
	// maxRow is the most bytes that a row's values in text may have together.
	maxRow = 1 << 20
)

const connectionHint = "one line such as postgres://user:password@host/database?sslmode=verify-full or host=… user=… sslmode=verify-full"

// parseConnection reads a connection string or URL. A host that is neither this one nor a socket needs TLS: verify-full if
// the string says nothing, never a mode that falls back to plain text.
//
// Nothing of pgconn's error leaves here: it masks a password where it knows it for one, and quotes the rest.
func parseConnection(text string) (*pgconn.Config, error) {
	c, err := pgconn.ParseConfig(text)
	if err == nil && !strings.Contains(text, "sslmode") && leavesHost(c) {
		c, err = pgconn.ParseConfig(withVerifyFull(text))
	}
	var file *fs.PathError
	switch {
	case errors.As(err, &file): // a certificate or key
		return nil, fault.New(fault.Invalid, "postgres connection: %s", file)
	case err != nil:
		return nil, fault.New(fault.Invalid, "postgres connection: not a connection string or URL of PostgreSQL").WithHint(connectionHint)
	}
	for _, a := range attempts(c) {
		if a.TLSConfig == nil && !isLocal(a.Host) {
			return nil, fault.New(fault.Invalid, "postgres connection: sslmode allows plain text on the network").
				WithHint("write sslmode=verify-full, and sslrootcert=FILE if no public authority issued the server's certificate; or, with less protection, verify-ca or require")
		}
	}
	c.RuntimeParams["application_name"] = "sotto"
	c.MaxProtocolMessageBodyLen = maxRow
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelTimeout}
	}
	return c, nil
}

// withVerifyFull adds an sslmode to a string that has none. Should a malformed string take it for something else, plain text
// stays possible, and is refused.
func withVerifyFull(text string) string {
	const mode = "sslmode=verify-full"
	switch {
	case !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://"):
		return text + " " + mode
	case strings.Contains(text, "?"):
		return text + "&" + mode
	}
	return text + "?" + mode
}

// attempts returns all ways in which pgconn would try to connect.
func attempts(c *pgconn.Config) []*pgconn.FallbackConfig {
	return append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
}

func leavesHost(c *pgconn.Config) bool {
	for _, a := range attempts(c) {
		if !isLocal(a.Host) {
			return true
		}
	}
	return false
}

// isLocal reports whether a host is a unix socket or a loopback address (RFC 6761, section 6.3, for localhost).
func isLocal(host string) bool {
	if network, _ := pgconn.NetworkAddress(host, 0); network == "unix" || strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// connectFault says why there is no connection, without host, user and database: of a malformed string, they may be parts of
// the password.
func connectFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.From(ctx.Err())
	}
	why, hint := "no connection", "check host, port and the network"
	var (
		refused   *pgconn.PgError
		unknown   x509.UnknownAuthorityError
		otherHost x509.HostnameError
		invalid   x509.CertificateInvalidError
		tlsFailed *tls.CertificateVerificationError
		alert     tls.AlertError
		lookup    *net.DNSError
		errno     syscall.Errno
	)
	switch {
	case errors.As(err, &refused):
		why, hint = refusal(refused.Code)
		why = fmt.Sprintf("%s (SQLSTATE %s)", why, refused.Code)
	case errors.As(err, &unknown):
		why, hint = "the server's certificate is issued by nobody known here", "write sslrootcert=FILE with the certificate of the authority that issued it"
	case errors.As(err, &otherHost):
		why, hint = "the server's certificate is for another host", "write the host as the certificate has it"
	case errors.As(err, &invalid) || errors.As(err, &tlsFailed):
		why, hint = "the server's certificate does not hold", "check with openssl s_client -starttls postgres"
	case errors.As(err, &alert):
		why, hint = "the server refuses the TLS handshake", "it may ask for a client certificate: sslcert and sslkey"
	case strings.Contains(err.Error(), "server refused TLS connection"): // pgconn has no type for it
		why, hint = "the server does not speak TLS", "turn on ssl at the server"
	case errors.As(err, &lookup):
		why, hint = "the host is not found", "check the host's name"
	case pgconn.Timeout(err):
		why = "no answer in time"
	case errors.As(err, &errno):
		why = errno.Error()
	}
	return fault.New(fault.Unavailable, "postgres connection: %s", why).WithHint(hint)
}

// refusal explains what a server says to a client that wants to connect (PostgreSQL's documentation, appendix A).
func refusal(state string) (why, hint string) {
	switch {
	case strings.HasPrefix(state, "28"):
		return "the server refuses the role or its password", "check user and password, and what pg_hba.conf demands of them"
	case state == "3D000":
		return "there is no database of that name", "check the database's name"
	case state == "42501":
		return "the role may not connect to the database", "GRANT CONNECT ON DATABASE … TO the role"
	case strings.HasPrefix(state, "53"):
		return "the server has no connection left", "try again later"
	case state == "57P03":
		return "the server is starting up or shutting down", "try again later"
	}
	return "the server refuses the connection", "the server's log says why"
}
