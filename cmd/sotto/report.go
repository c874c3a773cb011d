package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/party"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/ledger"
	records "github.com/sotto-dev/sotto/party/report"
	"github.com/sotto-dev/sotto/party/state"
)

// documentFlags say where a document goes, and what it is about.
type documentFlags struct {
	Agreement string `required:"" env:"SOTTO_AGREEMENT" placeholder:"FILE" help:"Agreement file."`
	Config    string `required:"" env:"SOTTO_CONFIG" placeholder:"FILE" help:"What this company declares about its customers."`
	Out       string `placeholder:"FILE" help:"File to write, anew if it is there. Default: standard output."`
	Format    string `enum:"html,markdown," default:"" placeholder:"FORMAT" help:"html or markdown. Default: as the name of the file ends; html on standard output."`
}

// open reads the agreement and the party's file.
func (f *documentFlags) open() (*agreement.Agreement, *config.Party, error) {
	a, err := agreement.Load(f.Agreement)
	if err != nil {
		return nil, nil, err
	}
	declared, err := config.Load(f.Config)
	if err != nil {
		return nil, nil, err
	}
	if _, ok := a.Party(declared.Name); !ok {
		return nil, nil, fault.New(fault.NotMember, "%q is not a party of the agreement of %q", declared.Name, a.Collaboration).
			WithHint("name in the party's file must be the name in the agreement")
	}
	return a, declared, nil
}

// renderer returns what writes a document in the wanted format.
func (f *documentFlags) renderer(d *records.Document) (func(io.Writer) error, error) {
	switch ending := strings.ToLower(filepath.Ext(f.Out)); {
	case f.Format == "markdown", f.Format == "" && (ending == ".md" || ending == ".markdown"):
		return d.Markdown, nil
	case f.Format == "html", ending == ".html", ending == ".htm", f.Out == "", f.Out == "-":
		return d.HTML, nil
	}
	return nil, fault.New(fault.Invalid, "--out %s: the name does not say which format", f.Out).
		WithHint("let it end in .html or .md, or add --format; browsers print HTML to PDF")
}

// write writes a document. A file is whole or as it was before.
func (f *documentFlags) write(d *records.Document, mode fs.FileMode, c console) (err error) {
	render, err := f.renderer(d)
	if err != nil {
		return err
	}
	if f.Out == "" || f.Out == "-" {
		return render(c.out)
	}
	draft, err := os.CreateTemp(filepath.Dir(f.Out), "."+filepath.Base(f.Out)+".*")
	if err != nil {
		return fault.New(fault.Invalid, "write %s", f.Out).Wrap(err)
	}
	defer os.Remove(draft.Name()) // which is gone if all went well
	err = render(draft)
	if err = errors.Join(err, draft.Chmod(mode), draft.Sync(), draft.Close()); err == nil {
		err = os.Rename(draft.Name(), f.Out)
	}
	if err != nil {
		return fault.New(fault.Invalid, "write %s", f.Out).Wrap(err)
	}
	return nil
}

type partyReportCommand struct {
	documentFlags
	stateFlags
	Identity string `required:"" env:"SOTTO_IDENTITY" placeholder:"DIR" help:"The node's identity. Its certificate is enough: only the ages of keys are read."`
}

func (k *partyReportCommand) Help() string {
	return `Writes what a data-protection officer, an authority or a partner asks for, as one page that needs nothing else: the record of processing
activities (GDPR Art. 30) and the impact assessment (GDPR Art. 35; PIPL Art. 55, 56). It is made of the node's own files, whether the node
is running or not; customers are not looked at, and neither SQL, columns nor numbers of customers are in it.

  sotto party report --agreement agreement.yaml --config bank/party.yaml --state bank/state --identity bank/identity --out record.html
  sotto party report … --out record.md

It begins with open risks: what is not declared, what is nearly spent, what was answered late, whether the logs are whole. What a node can't
know is listed at the end, for people to complete. Say who is responsible in the party's file:

  about: {controller: "Bank Ltd, 1 High St, London", contact: privacy@bank.example, dpo: dpo@bank.example, link: "https://bank.example/privacy"}
  purposes:
    planning: {consent: "true", basis: "legitimate interests (Art. 6(1)(f)): planning of branches"}`
}

func (k *partyReportCommand) Run(c console) error {
	a, declared, err := k.open()
	if err != nil {
		return err
	}
	s := records.Sources{Agreement: a, Config: declared, Now: time.Now()}
	if s.Keys, err = k.keys(); err != nil {
		return err
	}
	if s.Ledger, err = readLedger(state.Ledger(k.State), a, declared, s.Now); err != nil {
		return err
	}
	log, damage, err := openRecord(state.Audit(k.State), audit.OpenReadOnly)
	if err != nil {
		return err
	}
	if s.Audit.Damage = damage; log != nil {
		defer log.Close()
		s.Audit.Head, s.Audit.Entries = log.Head(), log.Entries
	}
	d, err := records.Record(s)
	if err != nil { // an entry that is none
		s.Audit.Damage = withoutFolder(err, state.Audit(k.State))
		if d, err = records.Record(s); err != nil {
			return err
		}
	}
	if err := k.write(d, 0o600, c); err != nil {
		return err
	}
	if k.Out != "" {
		_, err = fmt.Fprintf(c.err, "%s: %s\n", k.Out, plural(int64(d.OpenRisks()), "open risk"))
	}
	return err
}

// openRecord opens one of the node's files to be read. One that is there but damaged is said to be so, without its path; one that is
// not there is an error.
func openRecord[T any](path string, open func(string) (T, error)) (opened T, damage string, err error) {
	if err := isThere(path); err != nil {
		return opened, "", err
	}
	opened, err = open(path)
	var none T
	switch {
	case errors.Is(err, fs.ErrPermission):
		return none, "", err
	case err != nil:
		return none, withoutFolder(err, path), nil
	}
	return opened, "", nil
}

// isThere refuses to go on without one of the node's files.
func isThere(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "there is no %s", path).WithHint("--state is the folder that the node was started with")
	}
	return nil
}

// withoutFolder returns what an error says, with a file's name in place of its path.
func withoutFolder(err error, path string) string {
	return strings.ReplaceAll(err.Error(), path, filepath.Base(path))
}

// readLedger returns what the ledger has of all windows.
func readLedger(path string, a *agreement.Agreement, declared *config.Party, now time.Time) (records.Ledger, error) {
	l, damage, err := openRecord(path, ledger.OpenReadOnly)
	if err != nil || damage != "" {
		return records.Ledger{Damage: damage}, err
	}
	defer l.Close()
	limits := party.Limits(declared, a, "")
	everybody := len(limits.Windows)
	organisations := l.Organisations()
	for _, analyst := range a.Analysts {
		organisations = append(organisations, analyst.Budget())
	}
	slices.Sort(organisations)
	for _, organisation := range slices.Compact(organisations) {
		limits.Windows = append(limits.Windows, party.Limits(declared, a, organisation).Windows[everybody:]...)
	}
	return records.Ledger{Head: l.Head(), Usage: l.Usage(limits, nil, now)}, nil
}

// keys returns the node's long-lived keys, without looking at secrets.
func (k *partyReportCommand) keys() ([]records.Key, error) {
	path := filepath.Join(k.Identity, "identity.crt")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "no certificate at %s", path).Wrap(err).WithHint("--identity is the folder that sotto keys new made")
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fault.New(fault.Invalid, "%s: must be a PEM block", path)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: not an X.509 certificate", path).Wrap(err)
	}
	public, ok := certificate.PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, fault.New(fault.Invalid, "%s: a key of type %T, must be Ed25519", path, certificate.PublicKey)
	}
	keys := []records.Key{{Name: "identity of the node", Public: identity.PublicKey(public).String(), Since: certificate.NotBefore, Until: certificate.NotAfter}}
	data := records.Key{Name: "encryption of stored data"}
	if info, err := os.Stat(k.keyFile(k.Identity)); err == nil && (os.Getenv(dataKeyVariable) == "" || k.DataKey != "") {
		data.Since = info.ModTime()
	}
	return append(keys, data), nil
}

type partyPolicyCommand struct{ documentFlags }

func (k *partyPolicyCommand) Help() string {
	return `Writes the page that customers read (GDPR Art. 13; PIPL Art. 17): who computes what with their data, with whom, for which purposes and on
what ground, what partners get to see, for how long, and how to withdraw, be erased or ask what is held. It is made of the agreement and the
party's file alone, and holds the names of purposes, segments, dimensions and measures; no SQL, no limits, no numbers.

  sotto party policy --agreement agreement.yaml --config bank/party.yaml --out privacy.html

Names are shown as the files have them, with blanks for underscores: choose ones that customers understand. Have it read by somebody who
knows the law before it is published.`
}

func (k *partyPolicyCommand) Run(c console) error {
	a, declared, err := k.open()
	if err != nil {
		return err
	}
	d, err := records.Policy(a, declared, time.Now())
	if err != nil {
		return err
	}
	return k.write(d, 0o644, c)
}
