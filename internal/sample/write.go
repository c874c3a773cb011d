package sample

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Company is one generated customer file with the party configuration that reads it.
type Company struct {
	Name       string // the party's name
	File       string // path of the CSV file
	ConfigFile string // path of the party configuration; its source is the CSV file next to it
	ConfigYAML string // what stands in ConfigFile
}

// Write writes <name>.csv and <name>.yaml for each of the three companies into dir, which it creates if need be, over
// whatever is there under these names. It returns the companies in the order bank, grocer, airline.
func (w *World) Write(dir string) ([]Company, error) {
	var written []Company
	for c := range demo {
		done, err := save(dir, &demo[c], func(out io.Writer) error { return w.csv(out, c) })
		if err != nil {
			return nil, err
		}
		written = append(written, done)
	}
	return written, nil
}

// csv writes the file of company c, quoted as RFC 4180 has it.
func (w *World) csv(out io.Writer, c int) error {
	records := csv.NewWriter(out)
	records.UseCRLF = demo[c].crlf
	columns := demo[c].columns
	fields := make([]string, len(columns))
	for i := range columns {
		fields[i] = columns[i].header
	}
	// An error of Write stays until Flush and is reported there.
	_ = records.Write(fields)
	for r := range w.rows[c] {
		for i := range columns {
			fields[i] = columns[i].text(&w.rows[c][r])
		}
		_ = records.Write(fields)
	}
	records.Flush()
	return records.Error()
}

// save writes a company's configuration, and its customers by fill, into dir.
func save(dir string, c *company, fill func(io.Writer) error) (Company, error) {
	done := Company{
		Name:       c.name,
		File:       filepath.Join(dir, c.name+".csv"),
		ConfigFile: filepath.Join(dir, c.name+".yaml"),
		ConfigYAML: c.config(),
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Company{}, fmt.Errorf("write the sample customers of %s: %w", c.name, err)
	}
	if err := os.WriteFile(done.ConfigFile, []byte(done.ConfigYAML), 0o644); err != nil {
		return Company{}, fmt.Errorf("write the sample configuration of %s: %w", c.name, err)
	}
	file, err := os.Create(done.File)
	if err != nil {
		return Company{}, fmt.Errorf("write the sample customers of %s: %w", c.name, err)
	}
	buffered := bufio.NewWriterSize(file, 1<<18)
	err = fill(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return Company{}, fmt.Errorf("write the sample customers of %s: %w", c.name, err)
	}
	return done, nil
}
