package simulation

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/party"
)

// fewFolder names, in the environment of a test binary that runs TestBeingPartyOfFew, the folder of the party that it is to be.
const fewFolder = "SOTTO_TEST_PARTY_OF_FEW"

// runFew is process.run for a party that knows few people, as those of startMatching do.
func (p *process) runFew() {
	p.Helper()
	p.cmd = exec.Command(os.Args[0], "-test.run=^TestBeingPartyOfFew$")
	p.cmd.Env = append(os.Environ(), fewFolder+"="+p.folder)
	p.cmd.Stderr = os.Stderr
	var err error
	p.input, err = p.cmd.StdinPipe()
	p.must(err)
	output, err := p.cmd.StdoutPipe()
	p.must(err)
	p.output = bufio.NewScanner(output)
	p.must(p.cmd.Start())
	p.says("ready")
}

// startFew starts the party that a cluster was set up without, knowing few people.
func (c *cluster) startFew() *process {
	c.Helper()
	p := &process{cluster: c, name: c.outside, folder: filepath.Dir(c.party(c.outside).folder)}
	c.must(c.agreement.Write(filepath.Join(p.folder, "agreement.yaml")))
	encoded, err := json.Marshal(outside{c.party(p.name).index, c.setup.parties, c.seed})
	c.must(err)
	c.must(os.WriteFile(filepath.Join(p.folder, "outside.json"), encoded, 0o600))
	c.Cleanup(func() {
		if p.cmd != nil {
			p.end()
		}
	})
	p.runFew()
	return p
}

// TestBeingPartyOfFew tests nothing: it is what runFew runs.
func TestBeingPartyOfFew(t *testing.T) {
	folder := os.Getenv(fewFolder)
	if folder == "" {
		t.Skip("for runFew alone")
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var told outside
	encoded, err := os.ReadFile(filepath.Join(folder, "outside.json"))
	must(err)
	must(json.Unmarshal(encoded, &told))
	a, err := agreement.Load(filepath.Join(folder, "agreement.yaml"))
	must(err)
	key, err := identity.Open(filepath.Join(folder, "identity"))
	must(err)
	kept, err := openState(filepath.Join(folder, "state"))
	must(err)
	member, _ := a.PartyByKey(key.Public())
	listener, err := net.Listen("tcp", member.Address)
	must(err)
	var death grave
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); fmt.Println("yes") {
			times, point := 0, ""
			if _, err := fmt.Sscanf(lines.Text(), "%d %q", &times, &point); err != nil {
				return
			}
			death.dig(times, point)
		}
	}()
	own := declared(told.Index, a.Purposes)
	all := fewPeople(people(rand.New(rand.NewPCG(told.Seed, 1)), told.Parties))
	fmt.Println("ready")
	must(errors.Join(party.Serve(ctx, party.Options{
		Agreement: a, Config: own, Key: key, State: kept, Trace: death.trace, Load: loader(all, told.Index, own),
	}, listener), kept.Close()))
}
