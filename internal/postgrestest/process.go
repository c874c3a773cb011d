package postgrestest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// account is whom the server runs as: PostgreSQL refuses to be root.
type account struct {
	credential *syscall.Credential // nil for whoever runs the test
}

func unprivileged() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return account{}, err
		}
		return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

// own gives a file to the account.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// maxSocketPath is how long the path of a unix socket may be where it may be shortest: macOS has 104 bytes with the final
// zero, Linux 108.
const maxSocketPath = 103

// folder makes an empty folder that belongs to the account. It is not in t.TempDir, whose path is too long for a socket, and
// closed to an account that isn't root's.
func (a account) folder() (string, error) {
	parent := os.TempDir()
	if a.credential != nil || len(parent)+len("/pg0123456789/.s.PGSQL.65535") > maxSocketPath {
		parent = "/tmp"
	}
	path, err := os.MkdirTemp(parent, "pg")
	if err == nil {
		err = a.own(path)
	}
	return path, err
}

// accessRules is the server's pg_hba.conf.
const accessRules = `
local   all +` + PasswordRequired + ` scram-sha-256
local   all all trust
hostssl all +` + PasswordRequired + ` 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 trust
`

// supervise makes a cluster, runs a server, says when it is ready, and stops it when there is no more input: that is at the
// latest when the test's process has ended, by whatever. So neither a server nor its folder is left after a panic, a time-out
// or kill -9. The server is a child of the shell, which waits for its end: a container's first process may never do so.
const supervise = `
folder=$1 programs=$2
trap 'cd / && rm -rf "$folder"' EXIT
cd "$folder"
{
	"$programs/initdb" -D data -U ` + Superuser + ` --auth=trust --no-sync --encoding=UTF8 --locale=C &&
	cp rules data/pg_hba.conf && cat settings >>data/postgresql.conf
} >log 2>&1 || { cat log; exit; }
{ "$programs/postgres" -D data </dev/null >>log 2>&1; touch stopped; } &
until grep -q '^` + ready + `' data/postmaster.pid 2>/dev/null; do
	[ ! -e stopped ] || { cat log; exit; }
	sleep 0.02
done
echo ` + ready + `
cat >/dev/null
kill -INT "$(head -n 1 data/postmaster.pid)"
wait
`

// ready is what the server writes to the file with its process id, too.
const ready = "ready"

// run starts a server with settings in the folder, and returns what stops it and removes the folder.
func (a account) run(programs, folder, settings string) (stop func() error, err error) {
	for name, text := range map[string]string{"rules": accessRules, "settings": settings} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("/bin/sh", "-c", supervise, "postgrestest", folder, programs)
	cmd.Dir = "/"
	// Ctrl-C is for the test, after which the server goes as after any other end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential}
	input, err1 := cmd.StdinPipe()
	output, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() error {
		err := errors.Join(input.Close(), cmd.Wait())
		if _, left := os.Stat(folder); left == nil {
			err = errors.Join(err, fmt.Errorf("%s is left behind", folder))
		}
		return err
	}
	answer := bufio.NewReader(output)
	if line, _ := answer.ReadString('\n'); line != ready+"\n" {
		rest, _ := io.ReadAll(answer)
		return nil, errors.Join(fmt.Errorf("PostgreSQL does not start:\n%s%s", line, rest), stop())
	}
	return stop, nil
}

func keyFile(folder string) string { return filepath.Join(folder, "server.key") }

// certificate writes a key and a certificate for localhost, issued by itself, and returns the path of the latter.
func (a account) certificate(folder string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},

		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "server.crt")
	return path, errors.Join(
		a.write(path, "CERTIFICATE", certificate, 0o644),
		a.write(keyFile(folder), "PRIVATE KEY", private, 0o600),
	)
}

func (a account) write(path, kind string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(f, &pem.Block{Type: kind, Bytes: content}), f.Close(), a.own(path))
}
