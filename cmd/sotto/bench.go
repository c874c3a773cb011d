package main

type benchCommand struct{}

func (b *benchCommand) Run() error { return nil }
