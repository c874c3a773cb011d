package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/internal/fault"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

type subjectCommand struct {
	Withdraw subjectWithdrawCommand `cmd:"" help:"Withdraw people's consent to a purpose, or to all: from the next question on, they take part in none for it."`
	Erase    subjectEraseCommand    `cmd:"" help:"Erase people: nothing of them is used, loaded or kept from now on."`
	Restore  subjectRestoreCommand  `cmd:"" help:"Take back a withdrawal or, without --purpose, an erasure too."`
	Access   subjectAccessCommand   `cmd:"" help:"Show what the node holds on a person, and which questions their data was among."`
}

// subjectFlags name the people whom a request is about.
type subjectFlags struct {
	ownerFlags
	ID       []string `sep:"none" placeholder:"ID" help:"Id of a person, as they write it; can be given several times." xor:"who"`
	File     string   `placeholder:"FILE" help:"File with an id per line; - for standard input." xor:"who"`
	Type     string   `placeholder:"TYPE" help:"What the ids are: email, phone or opaque. Default: whichever of the node's they can be."`
	Received string   `placeholder:"DATE" help:"When they asked: a day (2026-03-01, in UTC) or a time (2026-03-01T09:00:00Z). Default: now. The report says how long answers took."`
	JSON     bool     `name:"json" help:"Print one JSON object."`
}

type subjectWithdrawCommand struct {
	subjectFlags
	Purpose string `placeholder:"PURPOSE" help:"The purpose. Default: all, also those of the future."`
}

type subjectEraseCommand struct{ subjectFlags }

type subjectRestoreCommand struct {
	subjectFlags
	Purpose string `placeholder:"PURPOSE" help:"The purpose. Default: all, and an erasure."`
}

func (k *subjectCommand) Help() string {
	return `The node must be running; it writes down what it is told before it answers. Who sends it: the holder of the node's own identity, or an
administrator whom the party's file names.

  sotto subject withdraw --state state --identity identity --id jo@example.com
  sotto subject withdraw --state state --identity desk/identity --node ed25519:… --id jo@example.com    # as an administrator

SOTTO_STATE and SOTTO_IDENTITY stand for the flags of these names. Ids are only ever stored as keyed hashes, and nowhere logged.`
}

func (k *subjectWithdrawCommand) Help() string {
	return `It is on the disk before the command ends, whether or not the people are customers yet, and holds for all later loads of the source.

  sotto subject withdraw --id jo@example.com --purpose marketing
  sotto subject withdraw --file unsubscribed.txt
  tail -f unsubscribed.log | sotto subject withdraw --file -        # in pieces, as they come`
}

func (k *subjectEraseCommand) Help() string {
	return `What is left of an erased person is a keyed hash of their id, so that the next load of the source leaves them out. The source itself is
the company's to clear.

  sotto subject erase --id jo@example.com --received 2026-03-01`
}

func (k *subjectRestoreCommand) Help() string {
	return `Whoever withdrew takes part again from the next question on, as far as the source has their consent. Whoever was erased is a customer again
once the source is loaded the next time: sotto party refresh does it now.

  sotto subject restore --id jo@example.com --purpose marketing`
}

func (k *subjectWithdrawCommand) Run(ctx context.Context, c console) error {
	return k.send(ctx, c, sottov1.SubjectKind_SUBJECT_KIND_WITHDRAW, k.Purpose)
}

func (k *subjectEraseCommand) Run(ctx context.Context, c console) error {
	return k.send(ctx, c, sottov1.SubjectKind_SUBJECT_KIND_ERASE, "")
}

func (k *subjectRestoreCommand) Run(ctx context.Context, c console) error {
	return k.send(ctx, c, sottov1.SubjectKind_SUBJECT_KIND_RESTORE, k.Purpose)
}

// heard is what became of a request, as --json prints it.
type heard struct {
	Recorded  int64   `json:"recorded"`
	Customers int64   `json:"customers"`
	Malformed []int64 `json:"malformed,omitempty"` // lines, or which --id, from 1; the first 1000 of each piece

	malformed int64
	answered  bool // by the node, at least once
}

// line is an id, and where it stood.
type line struct {
	number int64
	id     string
}

// send sends the request, a piece at a time where it is a stream.
func (k *subjectFlags) send(ctx context.Context, c console, kind sottov1.SubjectKind, purpose string) error {
	if len(k.ID) == 0 && k.File == "" {
		return fault.New(fault.Invalid, "for whom?").WithHint("give --id, or --file with an id per line")
	}
	start := &sottov1.SubjectsStart{Kind: kind, Purpose: purpose, Type: k.Type}
	received, err := receivedAt(k.Received)
	if err != nil {
		return err
	}
	start.Received = received
	return k.call(func(node sottov1.OwnerClient) error {
		var all heard
		err := k.pieces(ctx, c, func(piece []line) error { return all.send(ctx, node, start, piece) })
		if all.answered || err == nil { // what was recorded stays so, whatever came after it
			err = errors.Join(err, k.print(c, all))
		}
		if err == nil && all.malformed > 0 {
			return fault.New(fault.Invalid, "left out %s that no customer here can have", plural(all.malformed, "id")).
				WithHint("all others are recorded; send these again as the person writes them in full")
		}
		return err
	})
}

// send sends one piece and adds up what became of it.
func (h *heard) send(ctx context.Context, node sottov1.OwnerClient, start *sottov1.SubjectsStart, piece []line) error {
	stream, err := node.Subjects(ctx)
	if err != nil {
		return err
	}
	messages := []*sottov1.SubjectsRequest{{Message: &sottov1.SubjectsRequest_Start{Start: start}}}
	const together = 1000
	for some := range slices.Chunk(piece, together) {
		ids := &sottov1.SubjectIDs{}
		for _, l := range some {
			ids.Ids = append(ids.Ids, l.id)
		}
		messages = append(messages, &sottov1.SubjectsRequest{Message: &sottov1.SubjectsRequest_Ids{Ids: ids}})
	}
	for _, m := range messages {
		if err := stream.Send(m); err != nil {
			break // CloseAndRecv says why
		}
	}
	response, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	h.answered = true
	h.Recorded += response.GetRecorded()
	h.Customers += response.GetCustomers()
	h.malformed += response.GetMalformedCount()
	for _, position := range response.GetMalformed() {
		h.Malformed = append(h.Malformed, piece[position].number)
	}
	return nil
}

// pieces calls send with the ids as they come.
func (k *subjectFlags) pieces(ctx context.Context, c console, send func([]line) error) error {
	if k.File == "" {
		var piece []line
		for i, id := range k.ID {
			piece = append(piece, line{int64(i + 1), id})
		}
		return send(piece)
	}
	from := io.Reader(os.Stdin)
	if k.File != "-" {
		f, err := os.Open(k.File)
		if err != nil {
			return fault.New(fault.NotFound, "%s", err)
		}
		defer f.Close()
		from = f
	}
	read, failed := make(chan []line), make(chan error, 1)
	go func() { // is left behind in a read where ctx ends first
		defer close(read)
		failed <- readPieces(from, func(piece []line) bool {
			select {
			case read <- piece:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	for {
		select {
		case piece, more := <-read:
			if !more {
				return <-failed
			}
			if err := send(piece); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readPieces reads lines and hands on what has come, without waiting for more.
func readPieces(from io.Reader, f func([]line) bool) error {
	const most, longest = 50_000, 1 << 20
	reader := bufio.NewReaderSize(from, longest)
	var piece []line
	for number := int64(1); ; number++ {
		text, err := reader.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return fault.New(fault.Invalid, "line %d is longer than %d bytes", number, longest)
		} else if err != nil && !errors.Is(err, io.EOF) {
			return fault.New(fault.Invalid, "read ids: %s", err)
		}
		if id := strings.TrimRight(strings.TrimPrefix(string(text), "\ufeff"), "\r\n"); id != "" {
			piece = append(piece, line{number, id})
		}
		ended := err != nil
		if len(piece) > 0 && (ended || len(piece) == most || reader.Buffered() == 0) {
			if !f(piece) {
				return nil
			}
			piece = nil
		}
		if ended {
			return nil
		}
	}
}

func (k *subjectFlags) print(c console, h heard) error {
	if k.JSON {
		return printJSON(c.out, h)
	}
	for _, number := range h.Malformed {
		where := "line"
		if k.File == "" {
			where = "--id number"
		}
		fmt.Fprintf(c.err, "%s %d: no id that a customer here can have\n", where, number)
	}
	_, err := fmt.Fprintf(c.out, "recorded %s; customers among them: %s\n", plural(h.Recorded, "id"), humanize.Comma(h.Customers))
	return err
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return humanize.Comma(n) + " " + what + "s"
}

// receivedAt returns Unix seconds, 0 for none.
func receivedAt(text string) (int64, error) {
	at, _, err := moment("received", text)
	if err != nil || at.IsZero() {
		return 0, err
	}
	return at.Unix(), nil
}
