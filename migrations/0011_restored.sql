-- Which restore this database came from, if it did: a restore that was cut off behind its commit knows that all is there.
alter table installation add column restored text;
