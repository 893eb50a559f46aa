-- What was wrong with a manifest that was stored all the same, such as a size that is not that of the layer. NULL: nothing, or not known.
ALTER TABLE manifests ADD COLUMN warning VARCHAR(1000);
