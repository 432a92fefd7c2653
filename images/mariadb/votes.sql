-- A vote under its id, which is told apart by upper and lower case.
CREATE TABLE votes (
  id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  category ENUM('Cats', 'Dogs') NOT NULL,
  PRIMARY KEY (id),
  KEY by_category (category)
) ENGINE = InnoDB;
