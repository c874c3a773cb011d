package simulation

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/party"
)

// outsideFolder names, in the environment of a test binary that another one started, the folder of the party that it is to
// be.
const outsideFolder = "SOTTO_TEST_PARTY"

func TestMain(m *testing.M) {
	if folder := os.Getenv(outsideFolder); folder != "" {
		if err := beParty(folder); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// outside is what a party that runs in a process of its own needs to know, besides the files of its folder: the agreement,
// an identity and a state.
type outside struct {
	Index, Parties int
	Seed           uint64
	Few            bool
}

// beParty is a party's whole process. On each line of its input it is told where it is to end, as by a power cut: how often
// it comes to a point, and the point. It goes with its input.
func beParty(folder string) error {
	var told outside
	encoded, err := os.ReadFile(filepath.Join(folder, "outside.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(encoded, &told); err != nil {
		return err
	}
	a, err := agreement.Load(filepath.Join(folder, "agreement.yaml"))
	if err != nil {
		return err
	}
	key, err := identity.Open(filepath.Join(folder, "identity"))
	if err != nil {
		return err
	}
	kept, err := openState(filepath.Join(folder, "state"))
	if err != nil {
		return err
	}
	member, _ := a.PartyByKey(key.Public())
	listener, err := net.Listen("tcp", member.Address)
	if err != nil {
		return err
	}
	var death grave
	ctx, cancel := context.WithCancel(context.Background())
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
	fmt.Println("ready")
	return errors.Join(party.Serve(ctx, party.Options{
		Agreement: a, Config: own, Key: key, State: kept, Trace: death.trace,
		Load: loader(population(told.Seed, told.Parties, told.Few), told.Index, own),
	}, listener), kept.Close())
}

// grave is where a process is to end.
type grave struct {
	mu    sync.Mutex
	point string
	left  int
}

func (g *grave) dig(times int, point string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.point, g.left = point, times
}

func (g *grave) trace(point string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if point != g.point {
		return
	}
	if g.left--; g.left == 0 {
		time.Sleep(20 * time.Millisecond) // what was said up to here is on its way
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
}

// process is a party that runs in a process of its own.
type process struct {
	*cluster
	name   string
	folder string
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Scanner
}

// startProcess starts the party that a cluster was set up without.
func (c *cluster) startProcess() *process {
	c.Helper()
	p := &process{cluster: c, name: c.outside, folder: filepath.Dir(c.party(c.outside).folder)}
	c.must(c.agreement.Write(filepath.Join(p.folder, "agreement.yaml")))
	encoded, err := json.Marshal(outside{c.party(p.name).index, c.setup.parties, c.seed, c.few})
	c.must(err)
	c.must(os.WriteFile(filepath.Join(p.folder, "outside.json"), encoded, 0o600))
	c.Cleanup(func() {
		if p.cmd != nil {
			p.end()
		}
	})
	p.run()
	return p
}

func (p *process) run() {
	p.Helper()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), outsideFolder+"="+p.folder)
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

func (p *process) says(want string) {
	p.Helper()
	if !p.output.Scan() || p.output.Text() != want {
		p.Fatalf("%s says %q, must say %q", p.name, p.output.Text(), want)
	}
}

// dieAt makes the process end when it has come to a point so many times from now on.
func (p *process) dieAt(times int, point string) {
	p.Helper()
	_, err := fmt.Fprintf(p.input, "%d %q\n", times, point)
	p.must(err)
	p.says("yes")
}

// died waits for the end of the process and tells whether it ended where it was told to.
func (p *process) died() bool {
	_ = p.cmd.Wait()
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// end ends the process in peace.
func (p *process) end() {
	_ = p.input.Close()
	_ = p.cmd.Wait()
	p.cmd = nil
}
