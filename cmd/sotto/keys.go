package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
)

type keysCommand struct {
	New  keysNewCommand  `cmd:"" help:"Make a new identity: a key pair, and a certificate that the key signs itself."`
	Show keysShowCommand `cmd:"" help:"Show the public key of an identity."`
}

type keysNewCommand struct {
	Dir  string `arg:"" help:"Folder to make, for the identity alone. Whoever can read it can act as this node."`
	Name string `required:"" placeholder:"NAME" help:"Name of the party or analyst, as the agreement will have it, or coordinator."`
}

func (k *keysNewCommand) Run(c console) error {
	key, err := identity.Create(k.Dir, k.Name)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.err, "identity %s is in %s; put its key into the agreement:\n", k.Name, k.Dir)
	_, err = fmt.Fprintln(c.out, key.Public())
	return err
}

type keysShowCommand struct {
	Dir string `arg:"" help:"Folder of the identity."`
}

func (k *keysShowCommand) Run(c console) error {
	key, err := identity.Open(k.Dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, key.Public())
	return err
}

type agreementCommand struct {
	Check agreementCheckCommand `cmd:"" help:"Check an agreement file; print its hash, which must be the same at all members."`
}

type agreementCheckCommand struct {
	File string `arg:"" help:"Agreement file (YAML)."`
}

func (a *agreementCheckCommand) Help() string {
	return `The file:

  collaboration: loyalty
  coordinator: {address: "coordinator.example:7400", key: "ed25519:…"}
  parties:
    - {name: bank, address: "bank.example:7401", key: "ed25519:…"}
    - {name: shop, address: "shop.example:7402", key: "ed25519:…"}
  analysts:
    - {name: marketing, key: "ed25519:…"}
  purposes: [planning, measurement]                   # what questions may be for: each names one of them
  identifiers:                                        # a customer's id is the first that they have; left out: each party's own
    - {type: email, ignore: {gmail.com: [dots, tags]}} # or: phone, opaque; ignore: what a domain's mail servers do not look at
  limits: {epsilon_per_query: 1, epsilon_total: 10}   # most that one question, and all together, may cost
  noise: everyone                                     # or: coordinator, if all members trust it not to collude
  layouts: [hashed, matched]                          # left out: hashed; matched, exact but for the noise, takes a matching
  matching: {epsilon: 0.1, delta: 1e-9, every: 720h}  # what one costs, for each party that a person is a customer of; how
                                                      # often the coordinator runs one by itself, left out: sotto match does

Keys are what sotto keys new prints.`
}

func (a *agreementCheckCommand) Run(c console) error {
	agreed, err := agreement.Load(a.File)
	if err != nil {
		return err
	}
	var parties, analysts, identifiers []string
	for _, p := range agreed.Parties {
		parties = append(parties, p.Name)
	}
	for _, a := range agreed.Analysts {
		analysts = append(analysts, a.Name)
	}
	for _, i := range agreed.Identifiers {
		identifiers = append(identifiers, i.String())
	}
	matching, err := inWords(agreed)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%x  %s: parties %s; analysts %s; purposes %s; matched by %s; epsilon %v per question, %v in total; noise by %s%s\n",
		agreed.Hash(), agreed.Collaboration, strings.Join(parties, ", "), strings.Join(analysts, ", "),
		strings.Join(agreed.Purposes, ", "), cmp.Or(strings.Join(identifiers, ", then "), "what each party has"), agreed.Limits.EpsilonPerQuery, agreed.Limits.EpsilonTotal, agreed.Noise, matching)
	return err
}

// inWords says what was agreed on matchings; nothing where there are none.
func inWords(a *agreement.Agreement) (string, error) {
	if a.Matching == (agreement.Matching{}) {
		return "", nil
	}
	loss, err := a.Cover().Loss()
	if err != nil {
		return "", err
	}
	when := "on demand"
	if a.Matching.Every > 0 {
		when = "every " + a.Matching.Every.String()
	}
	return fmt.Sprintf("; layouts %s; a matching costs a person epsilon %s and delta %.6g, and is run %s",
		strings.Join(a.Layouts, ", "), agreement.MicroEpsilon(loss.MicroEpsilon), loss.Delta(), when), nil
}
