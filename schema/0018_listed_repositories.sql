-- Every repository has its row of repository_facts from the start. A job counts what is not known here.
DELETE FROM repository_facts;
INSERT INTO repository_facts (repository_id, name, namespace, visibility, pushed_at, tags_count, size, kind, platforms, stars, pulls)
    SELECT repositories.id, repositories.name, CASE INSTR(repositories.name, '/') WHEN 0 THEN 'library'
    ELSE SUBSTR(repositories.name, 1, INSTR(repositories.name, '/') - 1) END,
    COALESCE(repositories.visibility, namespaces.default_visibility, 'public'), repositories.created_at, 0, 0, '', '', COALESCE(repositories.stars, 0), 0
    FROM repositories LEFT JOIN namespaces ON namespaces.name = CASE INSTR(repositories.name, '/') WHEN 0 THEN 'library'
    ELSE SUBSTR(repositories.name, 1, INSTR(repositories.name, '/') - 1) END;
CREATE INDEX repository_facts_name ON repository_facts (name);
CREATE INDEX repository_facts_visible_name ON repository_facts (visibility, name);
CREATE INDEX repository_facts_namespace_name ON repository_facts (namespace, name);
