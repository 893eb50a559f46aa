-- What a store without locks has to know of an upload that goes on: its parts. NULL where the store locks.
ALTER TABLE uploads ADD COLUMN parts LONGTEXT;
