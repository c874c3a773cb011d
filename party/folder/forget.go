package folder

import (
	"io"

	"github.com/sotto-dev/sotto/party/vault"
)

// noteName is the file with the hashes of those who are being forgotten.
const noteName = "forget"

// Forget takes people, of whom the keyed hashes are known, out of the files, by calling takeOut. That must replace or remove every
// file in which one of them is, and must do nothing to others; doing it again must do no harm. First the people are noted, durably.
// So if takeOut fails, or a crash cuts it off, it is called again for the same people by the next Forget, be that of nobody, as
// after Open.
func (f *Folder) Forget(people []vault.Hash, takeOut func(gone []vault.Hash) error) error {
	if err := f.completeForget(takeOut); err != nil { // before this one takes the note's place
		return err
	}
	if len(people) == 0 {
		return nil
	}
	err := f.Write(noteName, func(w io.Writer) error {
		var note []byte
		for i := range people {
			note = append(note, people[i][:]...)
		}
		_, err := w.Write(note)
		return err
	})
	if err != nil {
		return err
	}
	f.step(f.kind + ": forget noted")
	return f.completeForget(takeOut)
}

// completeForget does what the note says, if there is one, and removes it.
func (f *Folder) completeForget(takeOut func(gone []vault.Hash) error) error {
	if there, err := f.Has(noteName); !there || err != nil {
		return err
	}
	var gone []vault.Hash
	err := f.Read(noteName, func(r io.Reader) error {
		note, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		for ; len(note) > 0; note = note[len(vault.Hash{}):] {
			if len(note) < len(vault.Hash{}) {
				return errShort
			}
			gone = append(gone, vault.Hash(note[:len(vault.Hash{})]))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := takeOut(gone); err != nil {
		return err
	}
	f.step(f.kind + ": forgotten in all")
	return f.Remove(noteName)
}
