package postgres

import (
	"testing"
)

// A string that says nothing of TLS means verify-full as soon as one of its hosts is on the network; what it says holds.
func TestModes(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("PGSSLMODE", "disable")
	for _, x := range []struct {
		text     string
		verifies bool // that the certificate is of the host (TLS without InsecureSkipVerify)
		tls      bool
	}{
		{"postgres://u:p@db.example/d", true, true},
		{"postgres://u:p@db.example", true, true},
		{"postgresql://u:p@db.example/d?application_name=x", true, true},
		{"host=db.example user=u", true, true},
		{"host=192.0.2.1", true, true},
		{"host=localhost.example", true, true},
		{"host=127.0.0.1.example", true, true},
		{"host=db.example sslmode=verify-full", true, true},
		{"host=db.example sslmode=verify-ca", false, true}, // checks the chain by itself
		{"host=db.example sslmode=require", false, true},
		{"postgres://db.example/d?ssl%6dode=prefer", true, true}, // what it hides is not taken for said
		{"postgres://127.0.0.1/d", false, false},
		{"postgres://[::1]/d", false, false},
		{"host=::ffff:127.0.0.2", false, false},
		{"host=LocalHost", false, false},
		{"host=/var/run/postgresql", false, false},
		{"host=127.0.0.1,db.example", true, true},
	} {
		c, err := parseConnection(x.text)
		if err != nil {
			t.Errorf("%s: %v", x.text, err)
			continue
		}
		for _, a := range attempts(c) {
			if tls := a.TLSConfig != nil; tls != x.tls || tls && a.TLSConfig.InsecureSkipVerify == x.verifies {
				t.Errorf("%s: %s has TLS %t: %+v", x.text, a.Host, tls, a.TLSConfig)
			}
		}
		if c.RuntimeParams["application_name"] != "sotto" || c.ConnectTimeout != connectTimeout {
			t.Errorf("%s: %v, %s", x.text, c.RuntimeParams, c.ConnectTimeout)
		}
	}
	if c, err := parseConnection("host=localhost connect_timeout=5"); err != nil || c.ConnectTimeout.Seconds() != 5 {
		t.Errorf("connect_timeout=5 has become %v, %v", c, err)
	}
}
